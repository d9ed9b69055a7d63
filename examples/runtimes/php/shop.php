<?php
// The shop's own code: closures, anonymous classes, generators.
declare(strict_types=1);

namespace Shop;

class PaymentException extends \RuntimeException {}

class Order
{
    public ?object $customer = null;

    public function __construct(private int $number) {}

    public function pay(string $code): void
    {
        // second: $check = fn () => $this->number > 0;
        $charge = function () use ($code) {
            throw new PaymentException("$code: card refused for order {$this->number}");
        };
        array_map($charge, [1]);
    }

    public function ship(): never
    {
        throw new \LogicException("cannot ship $this->number from " . spl_object_id($this) . ' ' . spl_object_hash($this));
    }

    public function name(): string
    {
        return $this->customer->name();
    }

    public function city(): string
    {
        return $this->customer->city();
    }

    public function checkout(): void
    {
        try {
            $this->name();
        } catch (\Error $missing) {
            throw new PaymentException("checkout of $this->number failed", 7, $missing);
        }
    }

    public function refund(): void
    {
        try {
            $this->city();
        } catch (\Error $missing) {
            throw new PaymentException("checkout of $this->number failed", 7, $missing);
        }
    }
}

// second: function more(): array { return [new class {}, new class {}]; }
// second:
// second:
function draft(int $number): object
{
    return new class($number) {
        public function __construct(private int $number) {}

        public function send(): void
        {
            throw new \DomainException('no address of ' . static::class . " for $this->number");
        }
    };
}

function open(int $number): \Generator
{
    yield $number;
    throw new \UnexpectedValueException("order $number is closed");
}

function rule(int $number): int
{
    return eval("return intdiv($number, 0);");
}

function typed(int $number): int
{
    return (fn (int $count): int => $count)("x$number");
}

function bill(int $number): \SplFileObject
{
    return new \SplFileObject(sys_get_temp_dir() . "/bill-$number.pdf");
}

function parse(int $number): array
{
    return json_decode("{\"number\": $number, \"price\": x}", true, 512, JSON_THROW_ON_ERROR);
}
