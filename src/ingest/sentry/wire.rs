//! The parts of a Sentry event that bongsu reads, as they stand on the wire.
//!
//! Promises: nothing else is kept. Deliberately not here: headers, cookies, bodies, local variables, source lines,
//! breadcrumbs; they are read past, and so cannot leak. What the parts mean is said in `event` and `chain`.

use crate::event::{Frame, Level, Text};
use crate::ingest::json::Fault;
use crate::ingest::lenient::{Keep, Object, Value};
use crate::time::Time;

/// Frames of one exception while reading; the last are the innermost. A stack overflow has thousands of equal ones.
const FRAMES_MAX: usize = 256;
/// Exceptions of one event while reading, suppressed ones and group members included; the first are the innermost.
const EXCEPTIONS_MAX: usize = 64;
/// Threads of one event while reading. Java sends all that run when told to.
const THREADS_MAX: usize = 256;
/// Tags, and entries of the diagnostic context, while reading. Sentry itself keeps 200.
const PAIRS_MAX: usize = 256;
/// Parts of a client's own fingerprint.
const FINGERPRINT_MAX: usize = 32;

/// An event.
#[derive(Default)]
pub(super) struct WireEvent<'a> {
    pub(super) exceptions: Vec<WireException<'a>>,
    pub(super) threads: Vec<WireThread<'a>>,
    pub(super) logentry: LogEntry<'a>,
    pub(super) message: LogEntry<'a>,
    pub(super) level: Option<Level>,
    pub(super) timestamp: Option<Time>,
    pub(super) transaction: Option<Text<'a>>,
    pub(super) environment: Text<'a>,
    pub(super) release: Option<Text<'a>>,
    pub(super) server_name: Option<Text<'a>>,
    pub(super) logger: Option<Text<'a>>,
    pub(super) culprit: Option<Text<'a>>,
    pub(super) tags: Vec<(Text<'a>, Text<'a>)>,
    pub(super) user: User<'a>,
    pub(super) request: Request<'a>,
    pub(super) contexts: Contexts<'a>,
    pub(super) extra: Extra<'a>,
    pub(super) fingerprint: Vec<Text<'a>>,
}

impl<'de> Object<'de> for WireEvent<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "exception" => self.exceptions = value.list("values", Keep::First(EXCEPTIONS_MAX))?,
            "threads" => self.threads = value.list("values", Keep::First(THREADS_MAX))?,
            "logentry" => self.logentry = value.object()?,
            "message" => self.message = value.object()?,
            "level" => self.level = value.level()?,
            "timestamp" => self.timestamp = value.timestamp()?,
            "transaction" => self.transaction = value.opt_text()?,
            "environment" => self.environment = value.text()?,
            "release" => self.release = value.opt_text()?,
            "server_name" => self.server_name = value.opt_text()?,
            "logger" => self.logger = value.opt_text()?,
            "culprit" => self.culprit = value.opt_text()?,
            "tags" => self.tags = value.pairs(PAIRS_MAX)?,
            "user" => self.user = value.object()?,
            "request" => self.request = value.object()?,
            "contexts" => self.contexts = value.object()?,
            "extra" => self.extra = value.object()?,
            "fingerprint" => self.fingerprint = value.texts(FINGERPRINT_MAX)?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// A log message: as text, or with its template and parameters.
#[derive(Default)]
pub(super) struct LogEntry<'a> {
    pub(super) message: Text<'a>,
    pub(super) formatted: Text<'a>,
    pub(super) has_params: bool,
}

impl<'de> Object<'de> for LogEntry<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "message" => self.message = value.text()?,
            "formatted" => self.formatted = value.text()?,
            "params" => self.has_params = value.filled()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.message = text;
        true
    }
}

/// One exception with what it says of its place in the chain.
#[derive(Default)]
pub(super) struct WireException<'a> {
    pub(super) kind: Text<'a>,
    pub(super) module: Text<'a>,
    pub(super) value: Text<'a>,
    /// The throwing frame last.
    pub(super) stacktrace: Vec<WireFrame<'a>>,
    pub(super) mechanism: Mechanism<'a>,
}

impl<'de> Object<'de> for WireException<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "type" => self.kind = value.text()?,
            "module" => self.module = value.text()?,
            "value" => self.value = value.text()?,
            "stacktrace" => self.stacktrace = value.list("frames", Keep::Last(FRAMES_MAX))?,
            "mechanism" => self.mechanism = value.object()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.value = text;
        true
    }
}

/// A thread. Clients whose errors carry no stack (Rust's, Go's) send that of the place that reported the error as the
/// current thread's; other threads are of no use here.
#[derive(Default)]
pub(super) struct WireThread<'a> {
    pub(super) current: bool,
    /// The innermost frame last.
    pub(super) stacktrace: Vec<WireFrame<'a>>,
}

impl<'de> Object<'de> for WireThread<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "current" => self.current = value.flag()? == Some(true),
            "stacktrace" => self.stacktrace = value.list("frames", Keep::Last(FRAMES_MAX))?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// How an exception came into the list.
#[derive(Default)]
pub(super) struct Mechanism<'a> {
    pub(super) kind: Text<'a>,
    pub(super) source: Text<'a>,
    pub(super) exception_id: Option<i64>,
    pub(super) parent_id: Option<i64>,
}

impl<'de> Object<'de> for Mechanism<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "type" => self.kind = value.text()?,
            "source" => self.source = value.text()?,
            "exception_id" => self.exception_id = value.whole()?,
            "parent_id" => self.parent_id = value.whole()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.kind = text;
        true
    }
}

/// One frame under Sentry's names for its parts.
#[derive(Default)]
pub(super) struct WireFrame<'a>(pub(super) Frame<'a>);

impl<'de> Object<'de> for WireFrame<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        let frame = &mut self.0;
        match name {
            "module" => frame.module = value.text()?,
            "function" => frame.function = value.text()?,
            "filename" => frame.file = value.text()?,
            "abs_path" if frame.file.is_empty() => frame.file = value.text()?,
            "lineno" => frame.line = value.line()?,
            "in_app" => frame.in_app = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.0.function = text;
        true
    }
}

/// The affected user: the opaque id alone, never the e-mail or IP address beside it.
#[derive(Default)]
pub(super) struct User<'a> {
    pub(super) id: Option<Text<'a>>,
}

impl<'de> Object<'de> for User<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "id" => self.id = value.opt_text()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.id = Some(text);
        true
    }
}

/// The HTTP request in which it happened.
#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) url: Text<'a>,
    pub(super) method: Text<'a>,
}

impl<'de> Object<'de> for Request<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "url" => self.url = value.text()?,
            "method" => self.method = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.url = text;
        true
    }
}

/// Contexts, of the many that there are.
#[derive(Default)]
pub(super) struct Contexts<'a> {
    pub(super) trace: Trace<'a>,
    pub(super) app: App<'a>,
    /// The diagnostic context of Java's loggers.
    pub(super) mdc: Vec<(Text<'a>, Text<'a>)>,
}

impl<'de> Object<'de> for Contexts<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "trace" => self.trace = value.object()?,
            "app" => self.app = value.object()?,
            "MDC" => self.mdc = value.pairs(PAIRS_MAX)?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// The trace in which it happened.
#[derive(Default)]
pub(super) struct Trace<'a> {
    pub(super) trace_id: Option<Text<'a>>,
}

impl<'de> Object<'de> for Trace<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "trace_id" => self.trace_id = value.opt_text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// The application.
#[derive(Default)]
pub(super) struct App<'a> {
    pub(super) app_name: Option<Text<'a>>,
}

impl<'de> Object<'de> for App<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "app_name" => self.app_name = value.opt_text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// Free data, of which one entry may name the category.
#[derive(Default)]
pub(super) struct Extra<'a> {
    pub(super) category: Option<Text<'a>>,
}

impl<'de> Object<'de> for Extra<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "category" => self.category = value.opt_text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}
