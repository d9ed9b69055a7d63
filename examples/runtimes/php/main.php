<?php
// Throws every error once and prints each as an event; the second run in another order, with other objects before.
declare(strict_types=1);

require __DIR__ . '/shop.php';

const FRAMES_MAX = 8;
$run = $argv[1];
$start = $run === '1' ? 10_000 : 900_000;
$make = fn () => new stdClass();
$kept = array_map($make, range(0, $run === '1' ? 1 : 500));

function frames(Throwable $error): array
{
    $frames = [];
    $place = ['file' => $error->getFile(), 'line' => $error->getLine()];
    foreach ($error->getTrace() as $call) {
        $frames[] = $place + ['module' => $call['class'] ?? '', 'function' => $call['function']];
        $place = ['file' => $call['file'] ?? '', 'line' => $call['line'] ?? null];
    }
    return array_slice($frames, 0, FRAMES_MAX);
}

function exception(Throwable $error): array
{
    $told = ['type' => $error::class, 'value' => $error->getMessage(), 'frames' => frames($error)];
    return $error->getPrevious() ? $told + ['cause' => exception($error->getPrevious())] : $told;
}

$order = new Shop\Order($start + 1);
$errors = [
    ['closure-code', 'place', fn () => $order->pay('PG-4011')],
    ['closure-other-code', 'place', fn () => $order->pay('PG-5003')],
    ['object', 'place', fn () => $order->ship()],
    ['anonymous-class', 'place', fn () => Shop\draft($start)->send()],
    ['generator', 'place', fn () => iterator_to_array(Shop\open($start))],
    ['evaluated', 'file', fn () => Shop\rule($start)],
    ['type', 'file', fn () => Shop\typed($start)],
    ['no-name', 'frames', fn () => $order->name()],
    ['no-city', 'frames', fn () => $order->city()],
    ['json', 'frames', fn () => Shop\parse($start)],
    ['no-file', 'text', fn () => Shop\bill($start)],
    ['text-closure', 'text', fn () => $order->pay('PG-7000')],
    ['no-name as text', 'text', fn () => $order->name()],
    ['text-cause', 'text', fn () => $order->checkout()],
    ['text-other-cause', 'text', fn () => $order->refund()],
    ['text-anonymous-class', 'trace', fn () => Shop\draft($start)->send()],
    ['trace-closure', 'trace', fn () => $order->pay('PG-8000')],
];
foreach ($run === '1' ? $errors : array_reverse($errors) as [$name, $how, $body]) {
    try {
        $body();
        throw new LogicException("$name did not fail");
    } catch (Throwable $error) {
        $event = ['category' => 'Runtime', 'module' => 'shop', 'environment' => 'prod', 'detail' => $error->getMessage()];
        $first = $error->getTrace()[0];
        $event += match ($how) {
            'place' => ['location' => ($first['class'] ?? '') . ($first['type'] ?? '') . $first['function'], 'exception' => exception($error)],
            'file' => ['location' => $error->getFile() . ':' . $error->getLine(), 'exception' => exception($error)],
            'frames' => ['exception' => exception($error)],
            'text' => ['stacktrace' => (string) $error],
            'trace' => ['stacktrace' => $error->getTraceAsString()],
        };
        $flags = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
        echo json_encode(['id' => "$name/$run", 'event' => $event], $flags), "\n";
    }
}
