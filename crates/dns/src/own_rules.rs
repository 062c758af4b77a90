//! The rules that stand in the lab file, come from clicks, or block a service: compiled together, in no time.

use crate::filter::{Compiler, Purpose, Rules, check_rule};
use crate::plan::{Plan, SourceKind, list_id};
use crate::services;
use crate::view::RefusedRule;

/// The rules of a plan, and those of them that are not followed.
pub(crate) fn compile(plan: &Plan) -> (Rules, Vec<RefusedRule>) {
    let mut compiler = Compiler::new();
    let mut refused = Vec::new();
    for (number, source) in plan.sources.iter().enumerate() {
        let Some(list) = list_id(number) else { continue };
        let rules: Vec<String> = match &source.of {
            SourceKind::Rules(rules) => rules.clone(),
            SourceKind::Service(id) => {
                services::find(id).into_iter().flat_map(services::Service::rules).collect()
            }
            SourceKind::Block(_) | SourceKind::Allow(_) => continue,
        };
        let mut reader = compiler.list(list, Purpose::Block);
        let mut is_fine = true;
        for rule in &rules {
            if let Err(why) = check_rule(rule) {
                refused.push(RefusedRule { from: source.name.clone(), rule: rule.clone(), why });
                continue;
            }
            let fed = reader.feed(rule.as_bytes()).and_then(|()| reader.feed(b"\n"));
            is_fine &= fed.is_ok();
        }
        match is_fine {
            true => drop(reader.finish()),
            false => reader.give_up(),
        }
    }
    (compiler.finish(), refused)
}
