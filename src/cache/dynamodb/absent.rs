//! DynamoDB in a build without it: the same face, and a clear word when it is configured.

use std::convert::Infallible;

use super::record::Marker;
use super::settings::{DynamoDbSettings, Settings};
use super::{Claim, Description, Error, Grant, Pace, Sighting, Sweep, Unswept};
use crate::issue::Fingerprint;
use crate::time::Time;

/// Never there.
pub(crate) struct DynamoDb(Infallible);

impl DynamoDb {
    pub(super) fn new(_: &DynamoDbSettings, _: &Settings) -> Result<DynamoDb, String> {
        Err("this build of bongsu has no DynamoDB; build it with `cargo build --features dynamodb`".to_owned())
    }

    pub(super) async fn count(&self, _: &[(Fingerprint, u64)], _: Time) -> Vec<Result<Sighting, Error>> {
        match self.0 {}
    }

    pub(super) async fn remember(&self, _: &[(Fingerprint, Marker)], _: Time) -> Result<(), Error> {
        match self.0 {}
    }

    pub(super) async fn grant(&self, _: &[Claim], _: Time) -> Vec<Result<Grant, Error>> {
        match self.0 {}
    }

    pub(super) async fn sweep(&self, _: Option<Fingerprint>, _: usize, _: Time) -> Result<Sweep, Error> {
        match self.0 {}
    }

    pub(super) async fn swept(&self, _: &[Unswept], _: Time) -> Result<(), Error> {
        match self.0 {}
    }

    pub(super) async fn pace(&self, _: &str, _: Pace, _: Time) -> Result<Time, Error> {
        match self.0 {}
    }

    pub(super) async fn hold(&self, _: &str, _: Pace, _: Time, _: Time) -> Result<(), Error> {
        match self.0 {}
    }

    pub(super) async fn size(&self) -> Result<Option<u64>, Error> {
        match self.0 {}
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        match self.0 {}
    }

    pub(super) async fn describe(&self) -> Result<Description, Error> {
        match self.0 {}
    }
}
