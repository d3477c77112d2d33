//! A step with its values put in: exactly what is asked of the gates.

use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value as Data;
use cascade_receipt::time::Timestamp;
use cel::Value;

use super::{Place, Role, StepState, Workflow};
use crate::csl::{
    Command, EvaluationFault, FAN_OUT_MAX, Http, Scope, Step, Template, Wait, Work, data_of, map_of, value_of,
};
use crate::subject::Named;

/// What an attempt does.
#[derive(Clone, PartialEq, Debug)]
pub enum Rendered {
    /// Runs a command.
    Command(RunCommand),
    /// Gives the router the task of the step, with this text.
    Task(String),
    /// Asks people.
    Approval(Asked),
    /// Runs the sub-workflow of the step with these inputs.
    Workflow(Data),
    /// Calls an HTTP server.
    Http(HttpCall),
    /// Lets time pass until then.
    Wait(Timestamp),
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunCommand {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory, from that of the run.
    pub cwd: Option<String>,
    /// Variables on top of those of the run, the idempotency key among them.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Option<String>,
    /// Whom outside it concerns.
    pub subject: Option<Named>,
}

/// A question to people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The question.
    pub text: String,
    /// Whose members may answer.
    pub groups: Vec<String>,
    /// How many must.
    pub required: u32,
    /// How long it stands.
    pub expires_ms: u64,
    /// Whether they must sign.
    pub signature: bool,
}

/// A call of an HTTP server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCall {
    /// `GET` …
    pub method: String,
    /// Where to.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<String>,
    /// Codes that count as done.
    pub status: Vec<u16>,
    /// Whom outside it concerns.
    pub subject: Option<Named>,
}

/// The variable that hands a command its key: the same for every attempt, so that whoever is called can tell a second
/// call from a second wish.
const KEY_VARIABLE: &str = "CASCADE_IDEMPOTENCY_KEY";

/// What a step is done for: `None` where it is skipped, one `None` inside where it has no fan-out.
pub(super) fn expand(step: &Step, scope: &Scope) -> Result<Option<Vec<Option<Value>>>, EvaluationFault> {
    if is_wanted(step, scope)? { items(step, scope).map(Some) } else { Ok(None) }
}

/// Whether the step is done at all.
pub(super) fn is_wanted(step: &Step, scope: &Scope) -> Result<bool, EvaluationFault> {
    let Some((when, _)) = &step.when else { return Ok(true) };
    match when.evaluate(scope)? {
        Value::Bool(wanted) => Ok(wanted),
        _ => Err(when.fault("`when` is true or false")),
    }
}

/// What it is done for; one `None` where it has no fan-out.
pub(super) fn items(step: &Step, scope: &Scope) -> Result<Vec<Option<Value>>, EvaluationFault> {
    let Some(fan_out) = &step.foreach else { return Ok(vec![None]) };
    match fan_out.over.evaluate(scope)? {
        Value::List(items) if items.len() <= FAN_OUT_MAX => {
            Ok(items.iter().map(|item| Some(item.clone())).collect())
        }
        Value::List(_) => Err(fan_out.over.fault(&format!("a fan-out has at most {FAN_OUT_MAX} items"))),
        _ => Err(fan_out.over.fault("`foreach` goes over a list")),
    }
}

impl Workflow {
    pub(super) fn render(&self, place: Place) -> Result<Rendered, EvaluationFault> {
        let spec = &self.spec;
        let Some(step) = spec.steps.get(place.step) else {
            return Err(EvaluationFault {
                expression: String::new(),
                message: "there is no such step".to_owned(),
            });
        };
        let scope = self.scope_of(step, place);
        match (place.role, &step.compensate, &step.reconcile) {
            (Role::Compensation, Some(command), _) | (Role::Reconciler, _, Some(command)) => {
                Ok(Rendered::Command(self.command(command, step, place, &scope)?))
            }
            _ => self.render_work(step, place, &scope),
        }
    }

    fn render_work(&self, step: &Step, place: Place, scope: &Scope) -> Result<Rendered, EvaluationFault> {
        Ok(match &step.work {
            Work::Command(command) => Rendered::Command(self.command(command, step, place, scope)?),
            Work::Task(task) => Rendered::Task(task.text.render(scope)?),
            Work::Approval(approval) => Rendered::Approval(Asked {
                text: approval.text.render(scope)?,
                groups: approval.groups.clone(),
                required: approval.required,
                expires_ms: approval.expires_ms,
                signature: approval.signature,
            }),
            Work::Workflow(sub) => {
                let inputs = sub.inputs.iter().map(|(name, expression, _)| {
                    let data = data_of(&expression.evaluate(scope)?);
                    Ok((name.clone(), data.ok_or_else(|| expression.fault("it gives no data"))?))
                });
                Rendered::Workflow(Data::Object(inputs.collect::<Result<_, EvaluationFault>>()?))
            }
            Work::Http(http) => Rendered::Http(call(http, step, scope)?),
            Work::Wait(Wait::For(ms)) => {
                // From when what it needs was over: a run that goes on after a crash waits no longer.
                let needs = self.needs.get(place.step).map(Vec::as_slice).unwrap_or_default();
                let over = needs.iter().filter_map(|need| self.over_at.get(*need).copied());
                let reached = over.max().unwrap_or(self.started);
                Rendered::Wait(Timestamp::from_ms(reached.ms().saturating_add(*ms)))
            }
            Work::Wait(Wait::Until(moment)) => {
                let text = moment.render(scope)?;
                Rendered::Wait(Timestamp::parse(&text).ok_or_else(|| EvaluationFault {
                    expression: moment.source().to_owned(),
                    message: "it is no moment such as 2026-12-31T09:00:00.000Z".to_owned(),
                })?)
            }
        })
    }

    fn command(
        &self,
        command: &Command,
        step: &Step,
        place: Place,
        scope: &Scope,
    ) -> Result<RunCommand, EvaluationFault> {
        let mut rendered = self::command(command, step, scope)?;
        rendered.env.push((KEY_VARIABLE.to_owned(), self.key(step, place)));
        Ok(rendered)
    }

    /// Names this item of this step of this run, whichever attempt; undoing it is another matter.
    fn key(&self, step: &Step, place: Place) -> String {
        let undoes = place.role == Role::Compensation;
        let item = i64::try_from(place.item).unwrap_or(i64::MAX);
        let members = [
            ("item", Data::Int(item)),
            ("run", self.run_id.as_str().into()),
            ("step", step.id.as_str().into()),
            ("undoes", Data::Bool(undoes)),
        ];
        Digest::of(Data::object(members).to_canonical().as_bytes()).to_hex()
    }

    fn scope_of(&self, step: &Step, place: Place) -> Scope {
        let mut run = run_of(&self.run_id, self.started);
        run.push(("key".to_owned(), value_of(&self.key(step, place).into())));
        let item = match self.steps.get(place.step) {
            Some(StepState::Started(items)) => items.get(place.item).and_then(|item| item.value.clone()),
            _ => self.item_again(step, place.item),
        };
        let mut scope = match item {
            Some(value) => self.scope.of_item(value, place.item),
            None => self.scope.clone(),
        };
        scope.set_run(map_of(run.into_iter()));
        scope
    }

    /// The item of a step that is over: what undoes it is made of the same values.
    fn item_again(&self, step: &Step, at: usize) -> Option<Value> {
        expand(step, &self.scope).ok()??.into_iter().nth(at)?
    }
}

/// What `run` is to every expression; in a step it has the step's key as well.
pub(super) fn run_of(id: &str, started: Timestamp) -> Vec<(String, Value)> {
    vec![
        ("id".to_owned(), value_of(&id.into())),
        ("started".to_owned(), value_of(&started.to_string().into())),
    ]
}

/// A command with its values put in, before it has its key.
pub(super) fn command(command: &Command, step: &Step, scope: &Scope) -> Result<RunCommand, EvaluationFault> {
    let render = |template: &Template| template.render(scope);
    Ok(RunCommand {
        argv: command.argv.iter().map(render).collect::<Result<_, _>>()?,
        cwd: command.cwd.as_ref().map(render).transpose()?,
        env: pairs(&command.env, scope)?,
        stdin: command.stdin.as_ref().map(render).transpose()?,
        subject: subject(step, scope)?,
    })
}

/// Whom a step concerns; what undoes it, or asks what became of it, concerns the same.
fn subject(step: &Step, scope: &Scope) -> Result<Option<Named>, EvaluationFault> {
    let Some(subject) = &step.subject else { return Ok(None) };
    let person = subject.person.render(scope)?;
    let matter = subject.matter.as_ref().map(|matter| matter.render(scope)).transpose()?;
    let named = Named::of(&person, matter.as_deref());
    let fault = |message| EvaluationFault { expression: subject.person.source().to_owned(), message };
    named.map(Some).map_err(fault)
}

fn pairs(pairs: &[(String, Template)], scope: &Scope) -> Result<Vec<(String, String)>, EvaluationFault> {
    pairs.iter().map(|(name, value)| Ok((name.clone(), value.render(scope)?))).collect()
}

fn call(http: &Http, step: &Step, scope: &Scope) -> Result<HttpCall, EvaluationFault> {
    let fault = |text: &Template, message: &str| EvaluationFault {
        expression: text.source().to_owned(),
        message: message.to_owned(),
    };
    let url = http.url.render(scope)?;
    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(fault(&http.url, "it does not begin with http:// or https://"));
    }
    let headers = pairs(&http.headers, scope)?;
    let is_split = |(_, value): &&(String, String)| value.contains(['\r', '\n']);
    if let Some((name, _)) = headers.iter().find(is_split) {
        return Err(EvaluationFault {
            expression: name.clone(),
            message: "a header field is one line".to_owned(),
        });
    }
    let body = http.body.as_ref().map(|body| body.render(scope)).transpose()?;
    let (method, status) = (http.method.clone(), http.status.clone());
    Ok(HttpCall { method, url, headers, body, status, subject: subject(step, scope)? })
}
