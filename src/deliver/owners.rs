//! Who looks after which errors, and what calls them in a channel.
//!
//! Promises: the first owner that matches is the one; a mention is the operator's word and goes out as it stands, in the
//! channels that it is written for and in no other. Deliberately not here: when somebody is called; a message says that.

use std::collections::BTreeMap;

use crate::alert::Alert;
use crate::config::{self, Config, hint};
use crate::event::Event;
use crate::matching::Matchers;

use super::text;

/// Characters of a name and of a mention, which no channel has to cut.
const NAME_CHARS: usize = 60;
pub(super) const MENTION_CHARS: usize = 200;

/// The configured owners, compiled.
#[derive(Debug, Default)]
pub(crate) struct Owners(Vec<Owner>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) name: String,
    matchers: Matchers,
    mentions: BTreeMap<String, String>,
}

impl Owner {
    /// What calls them on that channel.
    pub(crate) fn mention(&self, channel: &str) -> Option<&str> {
        self.mentions.get(channel).map(String::as_str)
    }
}

impl Owners {
    /// Compiles the configured owners. The error names every one that cannot work.
    pub(crate) fn new(config: &Config) -> Result<Owners, Vec<String>> {
        let mut problems = Vec::new();
        let mut owners = Vec::new();
        for configured in &config.owner {
            match owner(configured, config) {
                Ok(owner) => owners.push(owner),
                Err(wrong) => problems.extend(wrong.iter().map(|what| format!("owner {:?}: {what}", configured.name))),
            }
        }
        if problems.is_empty() { Ok(Owners(owners)) } else { Err(problems) }
    }

    /// Whose an alert is, by its event.
    pub(crate) fn of(&self, alert: &Alert, event: &Event<'_>) -> Option<&Owner> {
        self.0.iter().find(|owner| owner.matchers.matches(event, &alert.project))
    }

    /// All that are called on a channel.
    pub(super) fn mentions<'a>(&'a self, channel: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |owner| owner.mention(channel))
    }
}

fn owner(configured: &config::Owner, config: &Config) -> Result<Owner, Vec<String>> {
    let mut problems = Vec::new();
    let matchers = Matchers::new(&configured.matchers).unwrap_or_else(|wrong| {
        problems.extend(wrong);
        Matchers::default()
    });
    let name = text::line(&configured.name, usize::MAX);
    if name.is_empty() || name.chars().count() > NAME_CHARS {
        problems.push(format!("a name has 1 to {NAME_CHARS} characters"));
    }
    let channels = || config.channel.iter().map(|channel| channel.name.as_str());
    for (channel, mention) in &configured.mention {
        if !channels().any(|known| known == channel) {
            problems.push(format!("`mention`: there is no channel {channel:?}{}", hint(channel, channels())));
        }
        if mention.trim().is_empty() || mention.chars().count() > MENTION_CHARS || mention.chars().any(char::is_control)
        {
            problems.push(format!(
                "`mention`: what calls people on {channel:?} is a line of 1 to {MENTION_CHARS} characters"
            ));
        }
    }
    match problems.is_empty() {
        true => Ok(Owner { name, matchers, mentions: configured.mention.clone() }),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::sample;

    fn owners(toml: &str) -> Result<Owners, Vec<String>> {
        let channels = "[[channel]]\nname = \"ops\"\ntype = \"console\"\n";
        Owners::new(&toml::from_str(&format!("{channels}{toml}")).expect("the test's TOML is well formed"))
    }

    #[test]
    fn the_first_that_matches_is_the_owner() {
        let owners = owners(
            r#"
            [[owner]]
            name = "pay"
            match = { url = "/pay/*" }
            [[owner]]
            name = "orders"
            match = { location = "com.acme.order.*" }
            mention = { ops = "<!subteam^S1>" }
            [[owner]]
            name = "all"
            "#,
        )
        .unwrap();
        let of = |alert: &Alert| {
            let owner = owners.of(alert, alert.event.as_ref().unwrap()).unwrap();
            (owner.name.clone(), owner.mention("ops").map(str::to_owned), owner.mention("dev").map(str::to_owned))
        };
        let mut alert = sample::alert(1);
        assert_eq!(of(&alert), ("orders".to_owned(), Some("<!subteam^S1>".to_owned()), None));
        alert.event.as_mut().unwrap().attributes.location = "com.acme.Other".into();
        assert_eq!(of(&alert), ("all".to_owned(), None, None));
    }

    #[test]
    fn what_cannot_work_is_said() {
        let wrong = owners(
            r#"
            [[owner]]
            name = ""
            match = { modul = "x" }
            mention = { opps = "", ops = "a\nb" }
            "#,
        )
        .unwrap_err();
        assert_eq!(wrong.len(), 5, "{wrong:#?}");
        assert!(wrong[2].contains("there is no channel \"opps\" (did you mean \"ops\"?)"), "{wrong:#?}");
    }
}
