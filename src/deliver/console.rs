//! The channel `console`: the text form on standard output, for trying bongsu out and for log collectors.
//!
//! Promises: one write for each message, which ends in an empty line. Deliberately not here: colours; the text is the
//! same in a terminal, a file and a pod's log.

use crate::alert::Delivery;

use super::message::{Message, Style};
use super::parcel::Parcel;

/// The delivery as text.
pub(crate) fn compose(delivery: &Delivery, style: &Style) -> Parcel {
    Parcel::Print(format!("{}\n\n", Message::of_delivery(delivery, style).text()))
}
