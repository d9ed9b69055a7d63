//! The shop's own code: closures, async blocks, generics, trait objects.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub struct Order {
    pub number: u32,
    pub owner: Option<String>,
}

impl Order {
    pub fn pay(&self, code: &str) {
        // second: let check = || self.number > 0;
        // second: std::hint::black_box(check());
        let charge = || panic!("{code}: card refused for order {}", self.number);
        charge();
    }

    pub fn owner(&self) -> &str {
        self.owner.as_deref().expect("an order has an owner")
    }

    pub fn heir(&self) -> &str {
        self.owner.as_deref().expect("an order has an owner")
    }

    pub async fn load(number: u32) -> Order {
        std::future::ready(()).await;
        panic!("order {number} is gone")
    }
}

pub struct Stack<T>(pub Vec<T>);

impl<T: Debug> Stack<T> {
    pub fn at(&self, index: usize) -> &T {
        &self.0[index]
    }
}

pub trait Sender {
    fn send(&self, number: u32);
}

impl<T> Sender for Stack<T> {
    fn send(&self, number: u32) {
        panic!("cannot send order {number} from {:p}", self)
    }
}

/// Polls until it is ready; nothing here waits.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

pub fn divide(prices: &[u32]) -> Vec<u32> {
    prices.iter().map(|price| 100 / price).collect()
}

pub fn average(prices: &[u32]) -> Vec<u32> {
    prices.iter().map(|price| price / (price - price)).collect()
}

pub fn number(text: &str) -> u32 {
    text.parse().unwrap()
}

pub fn bill(number: u32) -> Vec<u8> {
    std::fs::read(std::env::temp_dir().join(format!("bill-{number}.pdf"))).unwrap()
}

pub fn bill_folder() -> Vec<u8> {
    std::fs::read(std::env::temp_dir()).unwrap()
}

pub fn borrow_twice() {
    let cell = RefCell::new(1);
    let _first = cell.borrow_mut();
    let _second = cell.borrow_mut();
}

pub fn lookup(number: u32) -> u32 {
    HashMap::<u32, u32>::new()[&number]
}

pub fn in_thread(number: u32) {
    std::thread::spawn(move || panic!("order {number} failed in {:?}", std::thread::current().id())).join().ok();
}

pub fn slice(name: &str) -> &str {
    &name[..1]
}
