// The shop's own code: closures, generics, method values, goroutines.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
)

type Customer struct{ Name, City string }

type Order struct {
	Number   int
	Customer *Customer
}

type PaymentError struct {
	Code   string
	Number int
}

func (e *PaymentError) Error() string {
	return fmt.Sprintf("%s: card refused for order %d", e.Code, e.Number)
}

func (o *Order) Pay(code string) {
	// second: check := func() bool { return o.Number > 0 }
	// second: check()
	charge := func() {
		panic(&PaymentError{code, o.Number})
	}
	charge()
}

func (o *Order) Name() string { return o.Customer.Name }

func (o Order) Ship() { panic(fmt.Sprintf("cannot ship %v of %p", o.Number, &o)) }

func (o Order) String() string { return fmt.Sprintf("order %d", o.Number) }

type Stack[T any] struct{ items []T }

func (s *Stack[T]) Pop() T { return s.items[len(s.items)-1-cap(s.items)] }

func Map[T, U any](items []T, change func(T) U) []U {
	changed := make([]U, 0, len(items))
	for _, item := range items {
		changed = append(changed, change(item))
	}
	return changed
}

// second: var Zero = func() int { return 0 }

var Divide = func(prices []int) []int {
	return Map(prices, func(price int) int { return 100 / price })
}

func At(numbers []int, index int) int { return numbers[index] }

func Last(numbers []int, count int) int { return numbers[count+1] }

func Kind(value any) int { return value.(int) }

func Count(counts map[string]int) { counts["placed"]++ }

func Parse(text string) int {
	number, err := strconv.Atoi(text)
	if err != nil {
		panic(fmt.Errorf("order number: %w", err))
	}
	return number
}

func Decode(number int) {
	var order Order
	if err := json.Unmarshal([]byte(fmt.Sprintf(`{"Number": "%d"}`, number)), &order); err != nil {
		panic(err)
	}
}

func Bill(number int) {
	folder, _ := os.MkdirTemp("", "bill")
	if _, err := os.ReadFile(filepath.Join(folder, strconv.Itoa(number)+".pdf")); err != nil {
		panic(err)
	}
}

func BillFolder() {
	folder, _ := os.MkdirTemp("", "bill")
	if _, err := os.ReadFile(folder); err != nil {
		panic(err)
	}
}

func Connect() {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	address := listener.Addr().String()
	listener.Close()
	if _, err := net.Dial("tcp", address); err != nil {
		panic(err)
	}
}

func InGoroutine(work func()) {
	var group sync.WaitGroup
	var failed any
	group.Add(1)
	go func() {
		defer group.Done()
		defer func() { failed = recover(); noteStack() }()
		work()
	}()
	group.Wait()
	panic(failed)
}

func Sort(numbers []int) {
	sort.Slice(numbers, func(a, b int) bool { panic(errors.New("prices cannot be compared")) })
}

type Sender interface{ Send() }

func Send(sender Sender) { sender.Send() }

func (o *Order) Close() { panic(fmt.Sprintf("no bill for %v, customer %+v", o, &o.Customer)) }
