//! Templates: the layout of a webhook in the user's own words, in Jinja's language.
//!
//! Promises: pure; a template is tried on an alert of every kind when it is compiled, so one that names what is not there,
//! or makes no JSON where it says so, is refused at the start with its line. What a value says is data wherever JSON or
//! HTML is made. Work and memory are bounded, the output is too: by the engine's fuel, by what the source may be, and by a
//! stack of a known size; what the fuel does not count, lists that are joined to ever longer ones, there is not. Deliberately
//! not here: addresses and headers, which stand still; and other files: a template includes none.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use jiff::tz::TimeZone;
use minijinja::machinery::{Instruction, get_compiled_template};
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value as Json, json};

use crate::alert::{Alert, Delivery};
use crate::config::{Source, hint};
use crate::event::Attributes;

use super::message::{Message, Style};
use super::specimen::{Occasion, Supposed};
use super::webhook;

/// Instructions, and 64 bytes each of what they make: some 6 MB. A page of text takes a few hundred.
const FUEL: u64 = 100_000;
/// A card of every field has 4 kB; the compiler goes one level deeper for every two bytes at worst.
const SOURCE_BYTES_MAX: usize = 16 << 10;
/// Enough for the deepest source, and for the deepest value that the fuel lasts for. Only what is used is taken.
const STACK_BYTES: usize = 64 << 20;
/// What services take at most lies between 4 kB and some MB; a message that people read has a few kB.
const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// The only template of its engine.
const NAME: &str = "template";
/// A time as it is shown when the template does not say how.
const TIME_FORM: &str = "%Y-%m-%d %H:%M:%S %Z";

/// A compiled template.
#[derive(Clone)]
pub(crate) struct Template {
    engine: Arc<Environment<'static>>,
    /// Names that some kinds of alert have and others have not.
    sometimes: Arc<[String]>,
    /// What it makes.
    content_type: String,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

impl Template {
    /// Compiles a template and tries it on an alert of every kind.
    pub(crate) fn new(source: &Source, content_type: &str, style: &Style) -> Result<Template, String> {
        let place = source
            .file
            .as_ref()
            .map_or_else(|| "`template`".to_owned(), |file| format!("`template` {}", file.display()));
        if source.text.len() > SOURCE_BYTES_MAX {
            return Err(format!("{place} has {} bytes; {SOURCE_BYTES_MAX} are the most", source.text.len()));
        }
        apart(|| Template::compiled(&place, source, content_type, style))
            .unwrap_or_else(|why| Err(place.clone() + &why))
    }

    fn compiled(place: &str, source: &Source, content_type: &str, style: &Style) -> Result<Template, String> {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_fuel(Some(FUEL));
        // Or an error would not say what was undefined.
        engine.set_debug(true);
        let escape = escape_for(content_type);
        engine.set_auto_escape_callback(move |_| escape.clone());
        let zone = style.zone.clone();
        engine.add_filter("local", move |time: Value, form: Option<String>| local(&zone, &time, form.as_deref()));
        engine.add_filter("in_quotes", |value: Value| in_quotes(&value));
        engine.add_filter("sum", sum);
        // It joins lists without any fuel.
        engine.remove_filter("chain");
        engine.add_template_owned(NAME, source.text.clone()).map_err(|why| told(place, &why))?;

        let trials = trials();
        let tried = |(_, one): &(String, Delivery)| context(one, &Message::of_delivery(one, style), style);
        let contexts: Vec<Map<String, Json>> = trials.iter().map(tried).collect();
        unknown_name(&engine, &source.text, &contexts).map_or(Ok(()), |why| Err(format!("{place}, {why}")))?;
        joined_lists(&engine, &contexts).map_or(Ok(()), |why| Err(format!("{place}, {why}")))?;
        let mut sometimes: Vec<String> = contexts.iter().flat_map(|context| context.keys().cloned()).collect();
        sometimes.retain(|name| contexts.iter().any(|context| !context.contains_key(name)));
        sometimes.sort_unstable();
        sometimes.dedup();
        let template =
            Template { engine: Arc::new(engine), sometimes: sometimes.into(), content_type: content_type.to_owned() };
        for ((what, _), context) in trials.iter().zip(contexts) {
            template.made_of(context).map_err(|why| format!("{place}{why}; tried on {what}"))?;
        }
        Ok(template)
    }

    /// What it makes, as an HTTP header says it.
    pub(crate) fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Whether that is JSON.
    pub(crate) fn makes_json(&self) -> bool {
        escape_for(&self.content_type) == AutoEscape::Json
    }

    /// The delivery as the template lays it out. The error says why it cannot.
    pub(crate) fn render(&self, delivery: &Delivery, message: &Message, style: &Style) -> Result<Bytes, String> {
        let context = context(delivery, message, style);
        apart(|| self.made_of(context)).unwrap_or_else(Err).map_err(|why| format!("the template{why}"))
    }

    fn made_of(&self, mut context: Map<String, Json>) -> Result<Bytes, String> {
        for name in &*self.sometimes {
            context.entry(name).or_insert(Json::Null);
        }
        let template = self.engine.get_template(NAME).map_err(|why| told("", &why))?;
        let made = template.render(Value::from(Serde(context))).map_err(|why| told("", &why))?;
        if made.len() > OUTPUT_BYTES_MAX {
            return Err(format!(" makes {} bytes; {OUTPUT_BYTES_MAX} are the most", made.len()));
        }
        if self.makes_json()
            && let Err(why) = serde_json::from_str::<IgnoredAny>(&made)
        {
            return Err(format!(
                " makes no JSON: {why} (of what it makes). A value brings its own quotation marks: write {{{{ x }}}}, or \
                 \"… {{{{ x|in_quotes }}}} …\" inside of others"
            ));
        }
        Ok(Bytes::from(made))
    }
}

/// On a thread of its own: the engine goes as deep as a source and its values, whatever stack the caller has.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("template".to_owned()).stack_size(STACK_BYTES);
        let spawned = thread.spawn_scoped(scope, work).map_err(|why| format!(" has no thread: {why}"))?;
        spawned.join().map_err(|_| " made the engine panic".to_owned())
    })
}

/// A `+` that may join lists, with its line: doubled often enough they take all memory, and the fuel does not count them. Also
/// in branches that no trial takes.
fn joined_lists(engine: &Environment<'_>, contexts: &[Map<String, Json>]) -> Option<String> {
    let template = engine.get_template(NAME).ok()?;
    let code = &get_compiled_template(&template).instructions;
    let (mut targets, mut own) = (BTreeSet::new(), BTreeSet::new());
    for instruction in (0..).map_while(|at| code.get(at)) {
        match instruction {
            Instruction::Jump(to)
            | Instruction::JumpIfFalse(to)
            | Instruction::JumpIfFalseOrPop(to)
            | Instruction::JumpIfTrueOrPop(to)
            | Instruction::Iterate(to) => drop(targets.insert(*to)),
            Instruction::StoreLocal(name) => drop(own.insert(*name)),
            _ => {}
        }
    }
    let is_number = |name: &str| {
        let mut values = contexts.iter().filter_map(|context| context.get(name)).peekable();
        !own.contains(name) && values.peek().is_some() && values.all(|value| value.is_number() || value.is_null())
    };
    // What stands right of `+` was made by the instruction before, unless there is another way to here.
    let may_join =
        |at: u32| targets.contains(&at) || !code.get(at - 1).is_some_and(|before| is_plain(before, is_number));
    let at = (1..)
        .take_while(|at| code.get(*at).is_some())
        .find(|at| matches!(code.get(*at), Some(Instruction::Add)) && may_join(*at))?;
    let line = code.get_line(at).unwrap_or(1);
    Some(format!(
        "line {line}: `+` joins no lists, so what stands right of it must plainly be a number or a text: write `a + b|int`, and \
         join texts with `~`"
    ))
}

/// Whether the instruction makes a number or a text, whatever it is made of.
fn is_plain(instruction: &Instruction<'_>, is_number: impl Fn(&str) -> bool) -> bool {
    match instruction {
        Instruction::LoadConst(value) => matches!(value.kind(), ValueKind::Number | ValueKind::String),
        Instruction::Lookup(name) => is_number(name),
        Instruction::Sub
        | Instruction::Div
        | Instruction::IntDiv
        | Instruction::Rem
        | Instruction::Pow
        | Instruction::Neg
        | Instruction::StringConcat => true,
        // With an argument some of them give back what they were told.
        Instruction::ApplyFilter(name, Some(1), _) => {
            ["int", "float", "length", "count", "abs", "round", "string", "upper", "lower", "trim"].contains(name)
        }
        Instruction::ApplyFilter("local" | "in_quotes" | "join", ..) => true,
        _ => false,
    }
}

/// The engine's own, of numbers: beginning with a list it would join lists without any fuel.
fn sum(
    state: &State<'_, '_>,
    values: Value,
    attribute: Option<&str>,
    start: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let named: Option<Value> = kwargs.peek("start").unwrap_or_default();
    if start.iter().chain(&named).any(|start| !start.is_none() && !start.is_number()) {
        return Err(Error::new(ErrorKind::InvalidOperation, "sum: `start` is a number"));
    }
    minijinja::filters::sum(state, values, attribute, start, kwargs)
}

/// How values are written: as JSON, as HTML, or as they are.
fn escape_for(content_type: &str) -> AutoEscape {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.rsplit(['/', '+']).next() {
        Some("json") => AutoEscape::Json,
        Some("html" | "xml") => AutoEscape::Html,
        _ => AutoEscape::None,
    }
}

/// What a template may speak of: the documented payload, and the message in its parts.
fn context(delivery: &Delivery, message: &Message, style: &Style) -> Map<String, Json> {
    #[derive(Serialize)]
    struct Parts<'a> {
        title: &'a str,
        why: &'a str,
        detail: &'a str,
        fields: Vec<Json>,
        frames: &'a [String],
        links: Vec<Json>,
    }
    let parts = Parts {
        title: &message.title,
        why: &message.why,
        detail: &message.detail,
        fields: message.fields.iter().map(|f| json!({"label": f.label, "value": f.value, "code": f.code})).collect(),
        frames: &message.frames,
        links: message.links.iter().map(|link| json!({"label": link.label, "url": link.url})).collect(),
    };
    let Ok(Json::Object(mut context)) = serde_json::to_value(webhook::payload(delivery, message, style)) else {
        return Map::new();
    };
    context.insert("message".to_owned(), serde_json::to_value(parts).unwrap_or_default());
    context
}

/// A delivery of every kind, of which nothing is known, and of which everything is odd.
fn trials() -> Vec<(String, Delivery)> {
    let sample = Supposed::sample();
    let mut trials: Vec<(String, Delivery)> = Vec::new();
    for (name, occasion) in Occasion::ALL {
        trials.push((format!("{name:?}"), sample.delivery(occasion, 1)));
    }
    trials.push(("a later alert".to_owned(), sample.delivery(Occasion::Alert, sample.budget)));
    let bare = Alert { event: None, attributes: Attributes::default(), ..sample.alert(Occasion::Alert, 1) };
    trials.push(("an alert whose event is not stored any more".to_owned(), sample.delivery_of(bare)));
    let mut odd = sample.alert(Occasion::Alert, 1);
    let text = "\"\\\n\t</script>'{{ kind }}{% raw %}";
    let attributes = &mut odd.attributes;
    (attributes.detail, attributes.module, attributes.url) = (text.into(), text.into(), text.into());
    for exception in odd.event.iter_mut().flat_map(|event| &mut event.exceptions) {
        (exception.kind, exception.value) = (text.into(), text.into());
    }
    trials.push(("an alert whose texts have quotes and line ends".to_owned(), sample.delivery_of(odd)));
    trials
}

/// A name that no alert has, with its line and the nearest one that there is. Also in branches that no trial takes.
fn unknown_name(engine: &Environment<'_>, source: &str, contexts: &[Map<String, Json>]) -> Option<String> {
    let template = engine.get_template(NAME).ok()?;
    let mut named: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    named.sort_unstable();
    named.iter().find_map(|path| {
        let mut at: Vec<&Map<String, Json>> = contexts.iter().collect();
        for (depth, name) in path.split('.').enumerate() {
            if depth == 0 && engine.globals().any(|(global, _)| global == name) {
                return None;
            }
            if at.iter().any(|map| map.contains_key(name)) {
                at = at.iter().filter_map(|map| map.get(name)?.as_object()).collect();
                // A list, or a text: what can be asked of it, the trial says.
                if at.is_empty() {
                    return None;
                }
                continue;
            }
            let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            let line = source.lines().position(word).map_or(1, |line| line + 1);
            let known = at.iter().flat_map(|map| map.keys().map(String::as_str));
            return Some(format!("line {line}: there is no `{path}`{}", hint(name, known)));
        }
        None
    })
}

/// ` line 3: undefined value: …`
fn told(place: &str, why: &Error) -> String {
    let mut innermost = why;
    while let Some(inner) = innermost.source().and_then(|inner| inner.downcast_ref::<Error>()) {
        innermost = inner;
    }
    let line = innermost.line().or(why.line()).map_or_else(String::new, |line| format!(", line {line}"));
    let detail = innermost.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{place}{line}: {}{detail}", innermost.kind())
}

/// A time of the payload on the channel's clock.
fn local(zone: &TimeZone, time: &Value, form: Option<&str>) -> Result<String, Error> {
    if time.is_none() {
        return Ok(String::new());
    }
    let wrong = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    let said = time.as_str().unwrap_or_default();
    let moment: jiff::Timestamp = said.parse().map_err(|_| wrong(format!("local: {time} is not a time")))?;
    jiff::fmt::strtime::format(form.unwrap_or(TIME_FORM), &moment.to_zoned(zone.clone()))
        .map_err(|why| wrong(format!("local: {why}")))
}

/// A value as it stands inside of a JSON text, between quotation marks that are there already.
fn in_quotes(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "in_quotes"));
    }
    let said = if value.is_none() { String::new() } else { value.to_string() };
    let quoted = Json::String(said).to_string();
    Ok(Value::from_safe_string(quoted[1..quoted.len() - 1].to_owned()))
}

#[cfg(test)]
mod tests;
