//! What the server says that its tools are, and what they are pinned as.

use std::collections::BTreeMap;
use std::time::Instant;

use cascade_receipt::digest::Digest;
use cascade_runtime::lease::{Begun, Open};
use cascade_runtime::tools::{self, Shown};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::{self, Call};
use super::gateway::{Gateway, Passage, What};
use super::wire::{self, Id, Method};
use super::{PAGES_MAX, TOOLS_MAX, canonical};

/// Tools as the server showed them last.
#[derive(Debug, Default)]
pub(super) struct Listing {
    seen: BTreeMap<String, Seen>,
    /// Every page was seen since the server last said that its tools have changed.
    complete: bool,
    asking: Option<Asking>,
}

#[derive(Debug)]
struct Seen {
    definition: Digest,
    /// The definition, where it is not what is pinned.
    changed: Option<String>,
}

/// The list is being asked for from here, because a tool was called before the client wanted to see it.
#[derive(Debug)]
struct Asking {
    id: Id,
    pages: usize,
    meta: Option<String>,
    open: Open,
    began: Instant,
}

/// A page of `tools/list`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize, Debug)]
struct Named {
    name: String,
}

#[derive(Deserialize, Debug)]
struct From {
    #[serde(default)]
    cursor: Option<String>,
}

impl Listing {
    /// The server says that its tools are others now.
    pub(super) fn forget(&mut self) {
        self.complete = false;
        self.seen.clear();
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Nothing more will be learnt: what was not seen is not there.
    pub(super) const fn close(&mut self) {
        self.complete = true;
    }

    /// SHA-256 of what the server says of a tool.
    pub(super) fn definition(&self, tool: &str) -> Option<Digest> {
        self.seen.get(tool).map(|seen| seen.definition)
    }

    /// The definition of a tool that is not what it was pinned as.
    pub(super) fn changed(&self, tool: &str) -> Option<&str> {
        self.seen.get(tool)?.changed.as_deref()
    }

    /// Whether what was asked from here was asked before `moment`.
    pub(super) fn asked_before(&self, moment: Option<Instant>) -> bool {
        self.asking.as_ref().zip(moment).is_some_and(|(asking, moment)| asking.began <= moment)
    }

    /// Whether this answers what was asked from here.
    pub(super) fn is_asked(&self, id: &Id) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.id == *id)
    }
}

/// Whether a request asks for the first page, by what it says.
pub(super) fn is_first(arguments: &str) -> bool {
    let from: Option<From> = serde_json::from_str(arguments).ok();
    from.is_none_or(|from| from.cursor.is_none())
}

impl Listing {
    /// Looks at a page before anybody else does: what nobody has seen is pinned, durably. Gives where the next page begins.
    pub(super) fn page(
        &mut self,
        (gateway, say): (&Gateway<'_>, &dyn Fn(&str)),
        first: bool,
        page: &RawValue,
    ) -> Result<Option<String>, String> {
        let page: Page<'_> =
            wire::object(page).ok_or_else(|| "the server's list of tools is none".to_owned())?;
        if first {
            self.forget();
        }
        if self.seen.len().saturating_add(page.tools.len()) > TOOLS_MAX {
            return Err(format!("the server has more than {TOOLS_MAX} tools"));
        }
        for raw in &page.tools {
            self.look_at((gateway, say), raw)?;
        }
        self.complete = page.next_cursor.is_none();
        Ok(page.next_cursor)
    }

    fn look_at(
        &mut self,
        (gateway, say): (&Gateway<'_>, &dyn Fn(&str)),
        raw: &RawValue,
    ) -> Result<(), String> {
        let named: Named = wire::object(raw).ok_or_else(|| "a tool of the server has no name".to_owned())?;
        let text = canonical::text(raw);
        let shown = Shown { server: &gateway.server, tool: &named.name, definition: &text };
        let pinned = tools::pinned(gateway.ledger, gateway.asker, &shown);
        let pinned = pinned.map_err(|error| format!("the server's tools couldn't be pinned: {error}"))?;
        let mut definition = Digest::of(text.as_bytes());
        // Two tools of one name are neither of them; the same one is when a page is asked for twice.
        if let Some(other) = self.seen.get(&named.name).filter(|other| other.definition != definition) {
            definition = Digest::of([other.definition.0, definition.0].concat().as_slice());
        }
        let changed = (definition != pinned).then_some(text);
        if changed.is_some() {
            let name: String = named.name.chars().filter(|c| !c.is_control()).collect();
            say(&format!(
                "the tool `{name}` of {} is not what it was: its calls are denied until an administrator accepts it \
                 with `cascade mcp pin`",
                gateway.server
            ));
        }
        self.seen.insert(named.name, Seen { definition, changed });
        Ok(())
    }
}

impl Passage<'_> {
    /// Looks at a page that the client asked for.
    pub(super) fn learn(&mut self, first: bool, page: &RawValue) -> Result<(), String> {
        self.page(first, page).map(|_| ())
    }

    fn page(&mut self, first: bool, page: &RawValue) -> Result<Option<String>, String> {
        self.listing.page((&self.gateway, self.say), first, page)
    }

    /// Asks the server for its tools, unless that was done already.
    pub(super) fn ask_for_tools(&mut self, meta: Option<String>) {
        if self.listing.asking.is_none() {
            self.listing.forget();
            self.ask_for_page(None, 0, meta);
        }
    }

    /// An action like any other: decided and on record before the server is asked.
    fn ask_for_page(&mut self, cursor: Option<&str>, pages: usize, meta: Option<String>) {
        let Some(id) = wire::own_id() else { return self.listed() };
        let call = Call::own(&id, wire::LIST_TOOLS, (cursor, meta.as_deref()));
        let refusal = match self.gateway.begin(&call, &self.listing, None).map(|(begun, _)| begun) {
            Ok(Begun { open: Some(open), .. }) => {
                let began = Instant::now();
                self.listing.asking = Some(Asking { id, pages, meta, open, began });
                if !self.tell_server(call.line) {
                    self.give_up_asking("mcp.server_gone");
                    self.listed();
                }
                return;
            }
            Ok(begun) => calls::denial(&begun),
            Err(error) => format!("nothing was decided, so nothing was done: {error}"),
        };
        (self.say)(&format!("the server was not asked for its tools: {refusal}"));
        self.listed();
    }

    /// The answer will not come, or nobody needs it any more.
    pub(super) fn give_up_asking(&mut self, code: &'static str) {
        if let Some(Asking { open, began, .. }) = self.listing.asking.take() {
            self.unknown(open, began, code);
        }
    }

    /// A page that was asked for from here has come.
    pub(super) fn page_came(&mut self, answer: Result<&RawValue, &RawValue>) {
        let Some(Asking { pages, meta, open, began, .. }) = self.listing.asking.take() else { return };
        if let Err(error) = self.gateway.answered(open, (Method::ListTools, began), answer) {
            (self.say)(&error.to_string());
            self.listing.forget();
            return self.listed();
        }
        let next = match answer {
            Ok(page) => self.page(pages == 0, page),
            // A server without tools has none that could be called.
            Err(_) => Ok(None),
        };
        match next {
            Ok(Some(cursor)) if pages.saturating_add(1) < PAGES_MAX => {
                self.ask_for_page(Some(&cursor), pages.saturating_add(1), meta);
            }
            Ok(_) => self.listed(),
            Err(text) => {
                (self.say)(&text);
                self.listing.forget();
                self.listed();
            }
        }
    }

    /// Goes on with the calls that waited for the list. A tool that is not in it is not pinned.
    fn listed(&mut self) {
        self.listing.close();
        let held: Vec<Id> =
            self.calls.iter().filter(|(_, one)| one.is_held()).map(|(id, _)| id.clone()).collect();
        for id in held {
            if let Some(pending) = self.calls.remove(&id)
                && let What::Held(call) = pending.what
            {
                self.decide(&id, *call);
            }
        }
    }
}
