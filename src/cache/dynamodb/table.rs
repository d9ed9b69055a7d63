//! The table: getting in, and one request at a time.
//!
//! Promises: credentials come from where Amazon's own tools take them; nothing is ever sent twice (the SDK's own retries
//! are off, for they would count twice); a failed condition is an answer that says what is there. Deliberately not here:
//! what the items mean (`item`).

use std::error::Error as _;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::OnceCell;

use super::super::settings::DynamoDbSettings;
use super::super::{Description, Error, ErrorKind};
use super::item::{Change, EXPIRY, Item, KEY};

/// A table.
pub(super) struct Table {
    settings: DynamoDbSettings,
    client: OnceCell<Client>,
}

/// What came of a change.
pub(super) enum Changed {
    /// It was made; this is the item after it.
    Done(Item),
    /// A condition did not hold; this is the item, if there is one.
    Not(Option<Item>),
}

impl Table {
    pub(super) fn new(settings: &DynamoDbSettings) -> Table {
        Table { settings: settings.clone(), client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, Error> {
        self.client
            .get_or_try_init(async || {
                let client = self.connect().await;
                if self.settings.create {
                    self.create(&client).await?;
                }
                Ok(client)
            })
            .await
    }

    async fn connect(&self) -> Client {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Builder::new().tls_provider(provider).build_https())
            .retry_config(RetryConfig::disabled());
        if let Some(region) = &self.settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some((key, secret)) = &self.settings.credentials {
            loader = loader.credentials_provider(Credentials::new(key, secret.expose(), None, None, "configuration"));
        }
        if let Some(endpoint) = &self.settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Client::new(&loader.load().await)
    }

    /// Makes the table when it is missing, and has expired items deleted from it.
    async fn create(&self, client: &Client) -> Result<(), Error> {
        let name = &self.settings.table;
        let described = client.describe_table().table_name(name).send().await;
        let status = match described {
            Ok(described) => described.table.and_then(|table| table.table_status),
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                let definition = AttributeDefinition::builder().attribute_name(KEY);
                let definition = definition.attribute_type(ScalarAttributeType::S).build();
                let key = KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash).build();
                let made = client
                    .create_table()
                    .table_name(name)
                    .attribute_definitions(definition.map_err(|error| self.invalid(&error))?)
                    .key_schema(key.map_err(|error| self.invalid(&error))?)
                    .billing_mode(BillingMode::PayPerRequest)
                    .send()
                    .await;
                match made {
                    Ok(made) => made.table_description.and_then(|table| table.table_status),
                    // Another pod was faster.
                    Err(error) if error.code() == Some("ResourceInUseException") => None,
                    Err(error) => return Err(self.failed(&error)),
                }
            }
            Err(error) => return Err(self.failed(&error)),
        };
        if status != Some(TableStatus::Active) {
            let why = format!("the table {name:?} is being made");
            return Err(Error::new(ErrorKind::Unreachable, why));
        }
        let ttl = client.describe_time_to_live().table_name(name).send().await.map_err(|error| self.failed(&error))?;
        let status = ttl.time_to_live_description.and_then(|ttl| ttl.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let expiry = TimeToLiveSpecification::builder().attribute_name(EXPIRY).enabled(true).build();
        let expiry = expiry.map_err(|error| self.invalid(&error))?;
        let set = client.update_time_to_live().table_name(name).time_to_live_specification(expiry).send().await;
        match set {
            Ok(_) => Ok(()),
            // Two pods at the same moment.
            Err(error) if error.code() == Some("ValidationException") => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Changes an item, or says why not.
    pub(super) async fn change(&self, key: String, change: Change) -> Result<Changed, Error> {
        let request = self
            .client()
            .await?
            .update_item()
            .table_name(&self.settings.table)
            .key(KEY, AttributeValue::S(key))
            .update_expression(change.expression())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values((!change.values.is_empty()).then_some(change.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(changed) => Ok(Changed::Done(changed.attributes.unwrap_or_default())),
            Err(error) => {
                let failed = error.as_service_error().filter(|error| error.is_conditional_check_failed_exception());
                if failed.is_none() {
                    return Err(self.failed(&error));
                }
                use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
                match error.into_service_error() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(Changed::Not(failed.item.filter(|item| !item.is_empty())))
                    }
                    _ => unreachable!("it was that one"),
                }
            }
        }
    }

    /// Reads an item as it is after everything that was answered.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Item>, Error> {
        let request = self.client().await?.get_item().table_name(&self.settings.table);
        let got = request.key(KEY, AttributeValue::S(key.to_owned())).consistent_read(true).send().await;
        got.map(|got| got.item).map_err(|error| self.failed(&error))
    }

    /// Deletes an item if an attribute has this value.
    #[cfg(test)]
    pub(super) async fn delete_if(&self, key: String, name: &str, value: AttributeValue) -> Result<(), Error> {
        let request = self.client().await?.delete_item().table_name(&self.settings.table);
        let request = request.key(KEY, AttributeValue::S(key)).condition_expression("#name = :value");
        let request = request.expression_attribute_names("#name", name).expression_attribute_values(":value", value);
        match request.send().await {
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            answer => answer.map(drop).map_err(|error| self.failed(&error)),
        }
    }

    /// One page of the items that have an attribute.
    pub(super) async fn scan(&self, having: &str, after: Option<String>, limit: i32) -> Result<ScanOutput, Error> {
        let start = after.map(|key| Item::from([(KEY.to_owned(), AttributeValue::S(key))]));
        let request = self.client().await?.scan().table_name(&self.settings.table).consistent_read(true);
        let request =
            request.filter_expression("attribute_exists(#having)").expression_attribute_names("#having", having);
        let page = request.set_exclusive_start_key(start).limit(limit).send().await;
        page.map_err(|error| self.failed(&error))
    }

    /// What the table is.
    pub(super) async fn describe(&self) -> Result<Description, Error> {
        let name = &self.settings.table;
        let client = self.client().await?;
        let mut description = Description { kind: "dynamodb", version: None, advice: Vec::new() };
        // A user with few rights may count without being allowed to look at this.
        match client.describe_time_to_live().table_name(name).send().await {
            Ok(ttl) => {
                let ttl = ttl.time_to_live_description;
                let status = ttl.as_ref().and_then(|ttl| ttl.time_to_live_status.clone());
                let attribute = ttl.and_then(|ttl| ttl.attribute_name);
                if status != Some(TimeToLiveStatus::Enabled) || attribute.as_deref() != Some(EXPIRY) {
                    let advice = "nothing deletes expired items: switch on its time to live, on the attribute";
                    description.advice.push(format!("table {name:?}: {advice} `{EXPIRY}`"));
                }
            }
            Err(error) => match self.failed(&error) {
                error if error.kind == ErrorKind::Refused => {}
                error => return Err(error),
            },
        }
        Ok(description)
    }

    fn invalid(&self, error: &dyn std::error::Error) -> Error {
        Error::new(ErrorKind::Refused, format!("the table {:?}: {error}", self.settings.table))
    }

    /// The SDK's error in the cache's words.
    fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(&self, error: &SdkError<E>) -> Error {
        let mut why = format!("table {:?}: {error}", self.settings.table);
        let mut refused_connection = false;
        let mut source = error.source();
        while let Some(error) = source {
            why += &format!(": {error}");
            let io = error.downcast_ref::<std::io::Error>();
            refused_connection |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
            source = error.source();
        }
        match error {
            SdkError::ConstructionFailure(_) => Error::new(ErrorKind::Refused, why),
            SdkError::DispatchFailure(_) if refused_connection => Error::new(ErrorKind::Unreachable, why),
            // Before anything is sent; the SDK has no kind of its own for it.
            SdkError::DispatchFailure(failure) if failure.is_user() || why.contains("credentials") => {
                Error::new(ErrorKind::Refused, why)
            }
            SdkError::TimeoutError(_) => Error::new(ErrorKind::TimedOut, why).after_sending(),
            SdkError::ServiceError(service) if service.raw().status().is_server_error() => {
                Error::new(ErrorKind::Unreachable, why).after_sending()
            }
            SdkError::ServiceError(service) => {
                let message = service.err().message().unwrap_or_default();
                let code = service.err().code().unwrap_or("an error without a code");
                Error::new(ErrorKind::Refused, format!("table {:?}: {code}: {message}", self.settings.table))
            }
            _ => Error::new(ErrorKind::Unreachable, why).after_sending(),
        }
    }
}
