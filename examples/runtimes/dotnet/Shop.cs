// The shop's own code: lambdas, closures, iterators, state machines, generics.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;

namespace Shop
{
    class Customer
    {
        public string City = null, Street = null;
    }

    class PaymentException : Exception
    {
        public PaymentException(string message, Exception inner = null) : base(message, inner) { }
    }

    class Order
    {
        readonly int number;
        readonly Customer customer = null;

        public Order(int number)
        {
            this.number = number;
        }

        // second: public Func<int> More() { return () => number; }

        public void Pay(string code)
        {
            // second: Func<bool> check = () => number > 0;
            // second: check();
            Action charge = () => { throw new PaymentException(code + ": card refused for order " + number); };
            charge();
        }

        public void Ship()
        {
            var address = "order " + number;
            Action<int> send = to => { throw new InvalidOperationException(address + " has no address " + to); };
            new List<int> { number }.ForEach(send);
        }

        public int City()
        {
            return customer.City.Length;
        }

        public int Street()
        {
            return customer.City.Length + customer.Street.Length;
        }

        public async Task<int> LoadAsync()
        {
            await Task.Yield();
            throw new KeyNotFoundException("order " + number + " is gone");
        }

        public async Task CheckoutAsync()
        {
            try
            {
                await LoadAsync();
            }
            catch (KeyNotFoundException gone)
            {
                throw new PaymentException("checkout of " + number + " failed", gone);
            }
        }

        public void Checkout()
        {
            try
            {
                City();
            }
            catch (NullReferenceException missing)
            {
                throw new PaymentException("checkout of " + number + " failed", missing);
            }
        }

        public void Refund()
        {
            try
            {
                Street();
            }
            catch (NullReferenceException missing)
            {
                throw new PaymentException("checkout of " + number + " failed", missing);
            }
        }
    }

    class Stack<T>
    {
        readonly List<T> items = new List<T>();

        public T Pop()
        {
            return items[items.Count - 1];
        }

        public T Peek()
        {
            return items[items.Count];
        }
    }

    static class Prices
    {
        // second: public static Func<int, int> Twice = price => price * 2;

        public static IEnumerable<int> Divide(int[] prices, int total)
        {
            // second: prices = prices.Select(price => price * total / total).ToArray();
            return prices.Select(price => total / price);
        }

        public static IEnumerable<int> Open(int number)
        {
            yield return number;
            throw new InvalidOperationException("order " + number + " is closed");
        }

        public static int Number(string text)
        {
            return int.Parse(text);
        }
    }
}
