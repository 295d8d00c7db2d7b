//! A compiled template with the budget's hand on everything that makes values larger.
//! Does not count: `budget` does, in the filters that are called here.
//!
//! minijinja bounds how many instructions a template runs, not what they make. So each instruction that makes a string
//! or a list is replaced by a call of a filter that does the same within the budget; their names cannot be written in a
//! template.

use minijinja::Value;
use minijinja::machinery::{Instruction, Instructions};

use super::budget::{
    ADD, CONCAT, CONTAINS, COUNTED, FILTER, LOOKED_AT, MADE, MULTIPLY, SLICED, STORED, STORED_INSIDE,
};

/// A filter is looked up by its name each time.
const NOT_CACHED: u8 = u8::MAX;

/// The same program under the budget.
pub(super) fn rewrite<'s>(old: &Instructions<'s>) -> Instructions<'s> {
    let mut parts: Vec<Vec<Instruction<'s>>> = Vec::new();
    while let Some(instruction) = old.get(parts.len() as u32) {
        parts.push(replace(instruction));
    }
    // Where each old instruction went, and one past the last.
    let mut place = 0;
    let mut places = vec![0];
    for part in &parts {
        place += part.len() as u32;
        places.push(place);
    }
    let mut new = Instructions::new(old.name(), old.source());
    for (index, part) in (0..).zip(parts) {
        for mut instruction in part {
            move_target(&mut instruction, &places);
            match (old.get_span(index), old.get_line(index)) {
                (Some(span), _) => new.add_with_span(instruction, span),
                (None, Some(line)) => new.add_with_line(instruction, line as u16),
                (None, None) => new.add(instruction),
            };
        }
    }
    new
}

fn replace<'s>(instruction: &Instruction<'s>) -> Vec<Instruction<'s>> {
    let call = |name: &'static str, count: u16| Instruction::ApplyFilter(name, Some(count), NOT_CACHED);
    let looked_at = |instruction: &Instruction<'s>| {
        vec![
            Instruction::DupTop,
            call(LOOKED_AT, 1),
            Instruction::DiscardTop,
            instruction.clone(),
        ]
    };
    match instruction {
        Instruction::Add => vec![call(ADD, 2)],
        Instruction::StringConcat => vec![call(CONCAT, 2)],
        Instruction::Mul => vec![call(MULTIPLY, 2)],
        Instruction::In => vec![call(CONTAINS, 2)],
        // Looking at the right one bounds it: comparing ends where one of them does.
        Instruction::Eq
        | Instruction::Ne
        | Instruction::Gt
        | Instruction::Gte
        | Instruction::Lt
        | Instruction::Lte
        | Instruction::CompareAndPreserve(_) => looked_at(instruction),
        Instruction::PerformTest(name, count, _)
            if *count != Some(1) || matches!(*name, "lower" | "upper") =>
        {
            looked_at(instruction)
        }
        Instruction::Slice => vec![
            call(SLICED, 4),
            Instruction::UnpackList(4),
            Instruction::Slice,
            call(MADE, 1),
        ],
        Instruction::GetItem => vec![
            Instruction::Swap,
            call(COUNTED, 1),
            Instruction::Swap,
            Instruction::GetItem,
        ],
        // Through the formatter, which counts what is written.
        Instruction::EmitRaw(text) => vec![Instruction::LoadConst(Value::from(*text)), Instruction::Emit],
        Instruction::ApplyFilter(name, Some(count), _) => {
            vec![
                Instruction::LoadConst(Value::from(*name)),
                call(FILTER, count + 1),
            ]
        }
        Instruction::StoreLocal(name) => vec![call(STORED, 1), Instruction::StoreLocal(name)],
        // The value lies below what it is stored in.
        Instruction::SetAttr(name) => {
            vec![
                Instruction::Swap,
                call(STORED_INSIDE, 1),
                Instruction::Swap,
                Instruction::SetAttr(name),
            ]
        }
        other => vec![other.clone()],
    }
}

fn move_target(instruction: &mut Instruction<'_>, places: &[u32]) {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => {
            if let Some(place) = places.get(*target as usize) {
                *target = *place;
            }
        }
        _ => {}
    }
}
