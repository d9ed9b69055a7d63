//! The chain of causes in a list of exceptions.
//!
//! On the wire the root cause is first and the outermost exception last, and between them stand exceptions that are no
//! causes: suppressed ones (Java) with causes of their own, and the members of groups (Python, JavaScript, .NET). So the
//! chain is walked from the outermost by the ids that newer SDKs send. Promises: each exception at most once, whatever
//! the ids say. Deliberately not here: which frame is the throw location.

use crate::event::{Exception, Frame, Text};
use crate::ingest::lenient::Notes;
use crate::ingest::sentry::wire::{Mechanism, WireException, WireFrame};

/// The chain, the outermost first, the frames innermost first.
pub(super) fn chain<'a>(exceptions: Vec<WireException<'a>>, notes: &Notes) -> Vec<Exception<'a>> {
    let order = order(&exceptions);
    let causes = exceptions.iter().filter(|exception| !is_suppressed(&exception.mechanism)).count();
    if causes > order.len() {
        notes.add(format!("{} exceptions beside the chain of causes are left out", causes - order.len()));
    }
    let mut slots: Vec<Option<WireException<'a>>> = exceptions.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots[index].take()).map(exception).collect()
}

/// Positions in the list, from the outermost exception to the root cause.
fn order(exceptions: &[WireException<'_>]) -> Vec<usize> {
    let Some(last) = exceptions.len().checked_sub(1) else { return Vec::new() };
    let top = &exceptions[last].mechanism;
    // Go's older SDKs number from the root and call the deeper exception the parent; their list is a plain chain.
    let is_tree = top.exception_id.is_some()
        && top.parent_id.is_none()
        && exceptions.iter().any(|exception| exception.mechanism.parent_id == top.exception_id);
    if !is_tree {
        return (0..=last).rev().filter(|index| !is_suppressed(&exceptions[*index].mechanism)).collect();
    }
    let mut order = vec![last];
    let mut current = last;
    while let Some(next) = cause_of(exceptions, current, &order) {
        order.push(next);
        current = next;
    }
    order
}

/// Where the walk goes on from an exception: the first member of a group, else its cause.
///
/// A group says only that several things failed; its first member is one of them. Python gives the causes of members
/// the group as parent, but numbers depth first, so a cause also belongs to the exception numbered just before it.
fn cause_of(exceptions: &[WireException<'_>], current: usize, walked: &[usize]) -> Option<usize> {
    let id = exceptions[current].mechanism.exception_id?;
    let rank = |mechanism: &Mechanism<'_>| {
        let is_child = mechanism.parent_id == Some(id);
        let is_numbered_next = mechanism.exception_id == id.checked_add(1);
        let is_cause = matches!(&*mechanism.source, "__cause__" | "__context__");
        match () {
            () if is_suppressed(mechanism) => None,
            () if is_child && mechanism.source.contains('[') => Some(0),
            () if is_cause && is_numbered_next => Some(1),
            () if is_child => Some(2),
            () => None,
        }
    };
    let candidates = exceptions.iter().enumerate().filter(|(index, _)| !walked.contains(index));
    candidates
        .filter_map(|(index, exception)| Some((rank(&exception.mechanism)?, exception.mechanism.exception_id, index)))
        .min()
        .map(|(_, _, index)| index)
}

fn is_suppressed(mechanism: &Mechanism<'_>) -> bool {
    mechanism.kind == "suppressed"
}

fn exception(wire: WireException<'_>) -> Exception<'_> {
    Exception { kind: qualified(wire.module, wire.kind), value: wire.value, frames: frames(wire.stacktrace) }
}

/// A stack, the innermost frame first.
pub(super) fn frames(mut stack: Vec<WireFrame<'_>>) -> Vec<Frame<'_>> {
    // Turned round first, so that the list is mapped where it stands.
    stack.reverse();
    stack.into_iter().map(|WireFrame(frame)| frame).filter(says_something).collect()
}

fn says_something(frame: &Frame<'_>) -> bool {
    !(frame.module.is_empty() && frame.function.is_empty() && frame.file.is_empty())
}

/// The class with its package. Java and Python send the package beside it; Ruby and .NET send names that are complete,
/// .NET with the assembly (`System.Core, Version=4.0.0.0, …`) as module.
fn qualified<'a>(module: Text<'a>, kind: Text<'a>) -> Text<'a> {
    let is_package = module.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'/' | b'-'));
    if module.is_empty() || !is_package || kind.contains(['.', ':', '\\', '*']) {
        return kind;
    }
    if kind.is_empty() { module } else { format!("{module}.{kind}").into() }
}
