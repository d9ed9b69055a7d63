// Throws every error once and prints each as an event; the second run in another order, after other goroutines.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

type object = map[string]any

var (
	run   = os.Args[1]
	start = map[string]int{"1": 10_000, "2": 900_000}[run]
	stack []byte
)

// noteStack keeps the stack of a goroutine that has just recovered.
func noteStack() { stack = debug.Stack() }

// frames of the panic that is being recovered, the innermost first.
func frames() []object {
	callers := make([]uintptr, 64)
	found := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	told := []object{}
	panicked := false
	for {
		frame, more := found.Next()
		if panicked {
			told = append(told, object{"function": frame.Function, "file": frame.File, "line": frame.Line})
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
		if !more {
			return told
		}
	}
}

// place is the name of the function that panicked, as a logger prints it.
func place(frames []object) string {
	for _, frame := range frames {
		name := frame["function"].(string)
		if !strings.HasPrefix(name, "runtime.") {
			return name
		}
	}
	return ""
}

type failure struct {
	name string
	how  string
	body func()
}

func emit(one failure) {
	defer func() {
		value := recover()
		event := object{"category": "Runtime", "module": "shop", "environment": "prod", "detail": fmt.Sprint(value)}
		switch one.how {
		case "text":
			noteStack()
			event["stacktrace"] = string(stack)
		case "goroutine":
			event["stacktrace"] = string(stack)
		case "panic":
			noteStack()
			event["stacktrace"] = fmt.Sprintf("panic: %v\n\n%s", value, stack)
		case "place":
			event["location"] = place(frames())
			fallthrough
		default:
			event["exception"] = object{"type": fmt.Sprintf("%T", value), "value": fmt.Sprint(value), "frames": frames()}
		}
		line, _ := json.Marshal(object{"id": one.name + "/" + run, "event": event})
		fmt.Println(string(line))
	}()
	one.body()
	fmt.Fprintln(os.Stderr, one.name, "did not fail")
	os.Exit(1)
}

func main() {
	order := &Order{Number: start + 1}
	all := []failure{
		{"closure-code", "place", func() { order.Pay("PG-4011") }},
		{"closure-other-code", "place", func() { order.Pay("PG-5003") }},
		{"method-value", "place", func() { Map([]func(){order.Ship}, func(call func()) int { call(); return 0 }) }},
		{"nil-pointer", "place", func() { order.Name() }},
		{"generic-method", "place", func() { (&Stack[string]{make([]string, 0, start%7)}).Pop() }},
		{"generic-closure", "place", func() { Divide([]int{1, 0}) }},
		{"index", "frames", func() { At(make([]int, start%7), start) }},
		{"index-elsewhere", "frames", func() { Last(make([]int, start%7), start) }},
		{"assertion", "frames", func() { Kind("1") }},
		{"assertion-other-type", "frames", func() { Kind(int64(1)) }},
		{"nil-map", "frames", func() { Count(nil) }},
		{"number", "frames", func() { Parse(fmt.Sprint("x", start)) }},
		{"json", "frames", func() { Decode(start) }},
		{"no-file", "text", func() { Bill(start) }},
		{"is-folder", "text", BillFolder},
		{"refused", "text", Connect},
		{"pointers", "text", order.Close},
		{"text-closure", "panic", func() { order.Pay("PG-7000") }},
		{"generic-closure as text", "panic", func() { Divide([]int{2, 0}) }},
		{"text-sort", "panic", func() { Sort([]int{start, 1, 2}) }},
		{"text-goroutine", "goroutine", func() { InGoroutine(func() { At(nil, start) }) }},
		{"text-interface", "panic", func() { Send(nil) }},
	}
	if run == "2" {
		done := make(chan int)
		for i := 0; i < 50; i++ {
			go func() { done <- i }()
			<-done
		}
		for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
			all[i], all[j] = all[j], all[i]
		}
	}
	for _, one := range all {
		emit(one)
	}
}
