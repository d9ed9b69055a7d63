//! Deliver: says which route an event falls under, puts a granted alert into words, and carries it to a channel.
//!
//! Promises: everything but the courier is a pure function of its arguments. A channel *composes* a parcel from a
//! delivery, and *judges* what the courier brought back; so each channel is tested without a network, and the network
//! once for all channels. Deliberately not here: SQL; which delivery is due, and that none is lost, is the archive's.

mod address;
mod apprise;
mod backoff;
mod channels;
mod console;
mod courier;
mod dialect;
mod discord;
mod dooray;
mod editor;
mod email;
mod explain;
mod google_chat;
mod hidden;
mod hours;
mod jandi;
mod judge;
mod kakaowork;
mod links;
mod markup;
mod mattermost;
mod message;
mod naver_works;
mod owners;
mod pacer;
mod pagerduty;
mod parcel;
mod pauses;
mod post;
mod preview;
mod routes;
mod slack;
mod slack_app;
mod smtp;
mod specimen;
mod teams;
mod telegram;
mod template;
mod text;
mod webhook;
mod worker;

#[cfg(test)]
mod sample;

pub(crate) use address::check_url;
pub(crate) use channels::{Channel, Channels};
pub(crate) use courier::Courier;
pub(crate) use editor::Editor;
pub(crate) use explain::explain;
pub(crate) use pacer::Pacer;
pub(crate) use parcel::Parcel;
pub(crate) use post::address_of;
pub(crate) use preview::preview;
pub(crate) use routes::Routes;
pub(crate) use slack_app::SlackApp;
pub(crate) use specimen::{Occasion, Supposed};
pub(crate) use worker::{Call, Worker};
