//! One level more: every term of the next cost.

use super::Context;
use super::bank::{Bank, Entry, Instance, Node};
use crate::ops::{Op, Run};
use crate::types::{Bindings, Signature, Type};
use crate::value::Value;

/// What naming a variable costs.
const VARIABLE_COST: u32 = 1;

impl Bank {
    /// Adds every term of this cost; the levels below must be there already.
    pub(super) fn grow(&mut self, level: u32, context: &mut Context<'_, '_>) {
        if self.grown >= level || context.stopped {
            return;
        }
        self.grown = level;
        self.leaves(level, context);
        self.calls(level, context);
        self.loops_at(level, context);
        self.spawn(level, context);
    }

    fn leaves(&mut self, level: u32, context: &mut Context<'_, '_>) {
        if level == VARIABLE_COST {
            for slot in 0..self.variables.len() {
                let Some(variable) = self.variables.get(slot).cloned() else { break };
                let kind = self.kind(&variable.of);
                let values = variable.values.into_boxed_slice();
                let node = Node::Var(slot);
                self.insert(Entry { node, kind, cost: level, uses: 1 << slot, values }, context);
            }
        }
        let constants: Vec<(Value, Type)> = context
            .constants
            .iter()
            .filter(|(_, _, cost)| *cost == level)
            .map(|(value, of, _)| (value.clone(), of.clone()))
            .collect();
        for (value, of) in constants {
            let kind = self.kind(&of);
            let values = vec![Some(value.clone()); self.width].into_boxed_slice();
            self.insert(Entry { node: Node::Const(value), kind, cost: level, uses: 0, values }, context);
        }
    }

    /// Operators at every choice of types that terms have.
    fn instantiate(&mut self, context: &Context<'_, '_>) {
        if self.instanced == self.types.len() {
            return;
        }
        self.instanced = self.types.len();
        let mut found = Vec::new();
        for (op, signature, cost) in &context.operators {
            let mut chosen = Vec::new();
            self.choose(signature, &Bindings::new(), &mut chosen, &mut |kinds, result| {
                if context.universe.contains(result) {
                    found.push((*op, *cost, kinds.to_vec(), result.clone()));
                }
            });
        }
        self.instances = found
            .into_iter()
            .map(|(op, cost, kinds, result)| Instance { op, cost, kinds, result: self.kind(&result) })
            .collect();
        self.instanced = self.instanced.min(self.types.len());
    }

    fn choose(
        &self,
        signature: &Signature,
        bindings: &Bindings,
        chosen: &mut Vec<usize>,
        take: &mut dyn FnMut(&[usize], &Type),
    ) {
        let Some(pattern) = signature.arguments.get(chosen.len()) else {
            if let Some(result) = signature.result.ground(bindings) {
                take(chosen, &result);
            }
            return;
        };
        for (kind, of) in self.types.iter().enumerate() {
            let mut extended = bindings.clone();
            if pattern.unify(of, &mut extended) {
                chosen.push(kind);
                self.choose(signature, &extended, chosen, take);
                chosen.pop();
            }
        }
    }

    fn calls(&mut self, level: u32, context: &mut Context<'_, '_>) {
        self.instantiate(context);
        for at in 0..self.instances.len() {
            let Some(instance) = self.instances.get(at).cloned() else { break };
            let Some(rest) = level.checked_sub(instance.cost) else { continue };
            self.fill(&instance, rest, level, &mut Vec::new(), context);
            if context.stopped {
                return;
            }
        }
    }

    /// Fills the arguments that are left so that their costs add up to `rest`.
    fn fill(
        &mut self,
        instance: &Instance,
        rest: u32,
        level: u32,
        chosen: &mut Vec<u32>,
        context: &mut Context<'_, '_>,
    ) {
        let Some(kind) = instance.kinds.get(chosen.len()).copied() else {
            if rest == 0 {
                self.call(instance, level, chosen, context);
            }
            return;
        };
        let left = u32::try_from(instance.kinds.len() - chosen.len() - 1).unwrap_or(0);
        let costs = if left == 0 { rest..=rest } else { 1..=rest.saturating_sub(left) };
        for cost in costs {
            for at in self.at(kind, cost).to_vec() {
                // One order is enough where the order of arguments makes no difference.
                if instance.op.commutes && chosen.first().is_some_and(|first| *first > at) {
                    continue;
                }
                chosen.push(at);
                self.fill(instance, rest - cost, level, chosen, context);
                chosen.pop();
                if context.stopped {
                    return;
                }
            }
        }
    }

    fn call(&mut self, instance: &Instance, level: u32, chosen: &[u32], context: &mut Context<'_, '_>) {
        let arguments: Vec<&Entry> = chosen.iter().filter_map(|at| self.entry(*at)).collect();
        let uses = arguments.iter().fold(0, |uses, entry| uses | entry.uses);
        // A term of constants alone is a constant; only helpers without arguments are worth it.
        if (uses == 0 && !chosen.is_empty()) || !context.spend(self.width) {
            return;
        }
        let values = (0..self.width).map(|environment| apply(instance.op, &arguments, environment)).collect();
        let node = Node::Call(instance.op, chosen.to_vec());
        self.insert(Entry { node, kind: instance.result, cost: level, uses, values }, context);
    }
}

/// An operator on the values its arguments have in one environment.
fn apply(op: &'static Op, arguments: &[&Entry], environment: usize) -> Option<Value> {
    let value = |at: usize| arguments.get(at)?.value(environment);
    match op.run {
        Run::And => {
            let first = value(0)?;
            if first.truthy() { value(1).cloned() } else { Some(first.clone()) }
        }
        Run::Or => {
            let first = value(0)?;
            if first.truthy() { Some(first.clone()) } else { value(1).cloned() }
        }
        Run::Strict(run) => match arguments.len() {
            1 => run(&[value(0)?]).ok(),
            2 => run(&[value(0)?, value(1)?]).ok(),
            3 => run(&[value(0)?, value(1)?, value(2)?]).ok(),
            _ => run(&[]).ok(),
        },
    }
}
