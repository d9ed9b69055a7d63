// Throws every error once and prints each as an event; the second run in another order, from another build.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;

static class Program
{
    static string run;

    static string Json(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (c == '"' || c == '\\') quoted.Append('\\').Append(c);
            else if (c < ' ') quoted.AppendFormat("\\u{0:x4}", (int)c);
            else quoted.Append(c);
        }
        return quoted.Append('"').ToString();
    }

    /// The exception inside, as a handler of an application sees it.
    static Exception Root(Exception error)
    {
        while (error.InnerException != null) error = error.InnerException;
        return error;
    }

    static string Frames(Exception error)
    {
        var frames = new StackTrace(error, false).GetFrames() ?? new StackFrame[0];
        var told = frames.Take(10).Select(frame => "{\"module\":" + Json("" + frame.GetMethod().DeclaringType)
            + ",\"function\":" + Json(frame.GetMethod().Name) + "}");
        return "[" + string.Join(",", told) + "]";
    }

    static void Emit(string name, string how, Action body)
    {
        try
        {
            body();
        }
        catch (Exception error)
        {
            var root = Root(error);
            var method = new StackTrace(root, false).GetFrame(0).GetMethod();
            var place = how == "text" ? "" : ",\"location\":" + Json(method.DeclaringType + "." + method.Name);
            if (how == "frames") place = "";
            var stack = how == "text"
                ? ",\"stacktrace\":" + Json(error.ToString())
                : ",\"exception\":{\"type\":" + Json(root.GetType().FullName) + ",\"value\":" + Json(root.Message)
                    + ",\"frames\":" + Frames(root) + "}";
            Console.WriteLine("{\"id\":" + Json(name + "/" + run) + ",\"event\":{\"category\":\"Runtime\",\"module\":\"shop\","
                + "\"environment\":\"prod\",\"detail\":" + Json(how == "text" ? error.Message : root.Message) + place + stack + "}}");
            return;
        }
        throw new InvalidOperationException(name + " did not fail");
    }

    static void Main(string[] arguments)
    {
        run = arguments[0];
        var start = run == "1" ? 10000 : 900000;
        var order = new Shop.Order(start + 1);
        var all = new List<Tuple<string, string, Action>>();
        Action<string, string, Action> add = (name, how, body) => all.Add(Tuple.Create(name, how, body));
        add("lambda-code", "place", () => order.Pay("PG-4011"));
        add("lambda-other-code", "place", () => order.Pay("PG-5003"));
        add("closure", "place", () => Shop.Prices.Divide(new[] { start, 0 }, start).ToList());
        add("captured-local", "place", () => order.Ship());
        add("iterator", "place", () => Shop.Prices.Open(start).ToList());
        add("async", "place", () => order.LoadAsync().Wait());
        add("generic", "frames", () => new Shop.Stack<string>().Pop());
        add("generic-elsewhere", "frames", () => new Shop.Stack<string>().Peek());
        add("null", "frames", () => order.City());
        add("null-elsewhere", "frames", () => order.Street());
        add("key", "frames", () => { var found = new Dictionary<string, int>()["n" + start]; });
        add("text-async", "text", () => order.CheckoutAsync().Wait());
        add("text-inner", "text", () => order.Checkout());
        add("text-inner-elsewhere", "text", () => order.Refund());
        add("closure as text", "text", () => Shop.Prices.Divide(new[] { start, 0 }, start).ToList());
        add("text-file", "text", () => File.ReadAllText(Path.Combine(Path.GetTempPath(), "bill-" + start + ".pdf")));
        add("text-number", "text", () => Shop.Prices.Number("x" + start));
        if (run == "2") all.Reverse();
        foreach (var one in all) Emit(one.Item1, one.Item2, one.Item3);
    }
}
