//! Throws every error once and prints each as an event; the second run in another order, from another build.

mod shop;

use std::backtrace::Backtrace;
use std::hint::black_box as used;
use std::process::Command;
use std::sync::Mutex;

use serde_json::json;
use shop::{Order, Sender, Stack};

/// Frames of a stack that are kept behind the panic's own: what lies further out is how this program calls the shop.
const FRAMES_MAX: usize = 10;

/// What the hook saw of the last panic: message, place, stack as `{}` and as `{:#}`.
static SEEN: Mutex<Option<[String; 4]>> = Mutex::new(None);

/// What is sent.
#[derive(Clone, Copy)]
enum How {
    /// The place alone.
    Place,
    /// The stack as a hook of the application's own gets it.
    Text,
    /// The same with addresses and hashes.
    FullText,
    /// What a process that panics prints, with `RUST_BACKTRACE` at 1.
    Printed,
    /// The same with `full`.
    FullyPrinted,
}
use How::{FullText, FullyPrinted, Place, Printed, Text};

type Failure<'a> = (&'a str, How, Box<dyn Fn() + 'a>);

fn failures(start: u32) -> Vec<Failure<'static>> {
    let order = |number| Order { number, owner: None };
    let stack = move || Stack(vec![start; start as usize % 7]);
    vec![
        ("closure-code", Place, Box::new(move || order(start).pay("PG-4011"))),
        ("closure-other-code", Place, Box::new(move || order(start).pay("PG-5003"))),
        ("number", Place, Box::new(move || _ = used(shop::number(&format!("x{start}"))))),
        ("no-file", Place, Box::new(move || drop(shop::bill(start)))),
        ("is-folder", Place, Box::new(|| drop(shop::bill_folder()))),
        ("text-closure", Text, Box::new(move || order(start).pay("PG-6000"))),
        ("text-async", Text, Box::new(move || drop(shop::block_on(Order::load(start))))),
        ("text-async-block", Text, Box::new(move || shop::block_on(async { order(start).pay("PG-7000") }))),
        ("text-generic", FullText, Box::new(move || _ = used(*stack().at(start as usize)))),
        ("text-trait-object", FullText, Box::new(move || used::<&dyn Sender>(&stack()).send(start))),
        ("text-division", FullText, Box::new(|| drop(shop::divide(used(&[1, 0]))))),
        ("text-division-elsewhere", FullText, Box::new(|| drop(shop::average(used(&[1, 0]))))),
        ("text-expect", Text, Box::new(move || drop(order(start).owner().to_owned()))),
        ("text-expect-elsewhere", Text, Box::new(move || drop(order(start).heir().to_owned()))),
        ("text-borrow", Printed, Box::new(shop::borrow_twice)),
        ("text-lookup", Printed, Box::new(move || _ = used(shop::lookup(start)))),
        ("text-thread", FullyPrinted, Box::new(move || shop::in_thread(start))),
        ("text-slice", FullyPrinted, Box::new(move || drop(shop::slice(&format!("é{start}")).to_owned()))),
    ]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let run = arguments.next().expect("a run");
    let start = if run == "1" { 10_000 } else { 900_000 };
    let mut all = failures(start);
    if let Some(only) = arguments.next() {
        let (_, _, body) = all.into_iter().find(|(name, ..)| *name == only).expect("its name");
        return body();
    }
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic").to_owned();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let stack = Backtrace::force_capture();
        *SEEN.lock().unwrap() = Some([message, place, format!("{stack}"), format!("{stack:#}")]);
    }));
    if run == "2" {
        (0..9).for_each(|_| drop(std::thread::spawn(|| ()).join()));
        all.reverse();
    }
    for (name, how, body) in all {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).ok();
        let [message, place, short, full] =
            SEEN.lock().unwrap().take().unwrap_or_else(|| panic!("{name} did not fail"));
        let mut event = json!({"category": "Runtime", "module": "shop", "environment": "prod", "detail": message});
        match how {
            Place => event["location"] = place.into(),
            Text => event["stacktrace"] = innermost(&short).into(),
            FullText => event["stacktrace"] = innermost(&full).into(),
            Printed => event["stacktrace"] = printed(&run, name, "1").into(),
            FullyPrinted => event["stacktrace"] = printed(&run, name, "full").into(),
        }
        println!("{}", json!({"id": format!("{name}/{run}"), "event": event}));
    }
}

/// What another process of this program prints when it fails so.
fn printed(run: &str, name: &str, backtrace: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([run, name]).env("RUST_BACKTRACE", backtrace).output().unwrap();
    innermost(&String::from_utf8(output.stderr).unwrap())
}

fn innermost(stack: &str) -> String {
    let is_frame = |line: &str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let mut left = usize::MAX;
    let mut kept = String::new();
    for line in stack.lines() {
        left = if line.contains("panicking::panic_fmt") { FRAMES_MAX } else { left };
        left -= usize::from(is_frame(line));
        if left == 0 {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}
