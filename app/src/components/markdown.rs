//! Markdown on the screen: elements made from the parsed tree, never from a string of HTML.
//! What is already complete is not drawn again while the text grows.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use leptos::prelude::*;

use super::code::CodeBlock;
use crate::markdown::{Block, Column, Inline, Item, Section, parse};

#[component]
pub fn Markdown(#[prop(into)] text: Signal<String>) -> impl IntoView {
    let sections = Memo::new(move |_| {
        text.with(|text| parse(text))
            .into_iter()
            .enumerate()
            .map(|(at, section)| (key(at, &section), section))
            .collect::<Vec<_>>()
    });
    view! {
        <For each=move || sections.get() key=|(key, _)| *key children=|(_, section)| block(section.block) />
    }
}

/// The same place with the same source is the same block.
fn key(at: usize, section: &Section) -> u64 {
    let mut hasher = DefaultHasher::new();
    (at, &section.source).hash(&mut hasher);
    hasher.finish()
}

fn block(block: Block) -> AnyView {
    match block {
        Block::Paragraph(content) => view! { <p dir="auto">{inlines(content)}</p> }.into_any(),
        // The page has one main heading and a message none of its own: levels begin at the third.
        Block::Heading(1, content) => view! { <h3 dir="auto">{inlines(content)}</h3> }.into_any(),
        Block::Heading(2, content) => view! { <h4 dir="auto">{inlines(content)}</h4> }.into_any(),
        Block::Heading(3, content) => view! { <h5 dir="auto">{inlines(content)}</h5> }.into_any(),
        Block::Heading(_, content) => view! { <h6 dir="auto">{inlines(content)}</h6> }.into_any(),
        Block::Code { language, text } => view! { <CodeBlock language=language text=text /> }.into_any(),
        Block::Quote(content) => view! { <blockquote dir="auto">{blocks(content)}</blockquote> }.into_any(),
        Block::List { start: None, items } => view! { <ul dir="auto">{list(items)}</ul> }.into_any(),
        Block::List {
            start: Some(start),
            items,
        } => view! { <ol dir="auto" start=start.to_string()>{list(items)}</ol> }.into_any(),
        Block::Table { columns, head, rows } => table(&columns, head, rows),
        Block::Rule => view! { <hr /> }.into_any(),
    }
}

fn blocks(content: Vec<Block>) -> Vec<AnyView> {
    content.into_iter().map(block).collect()
}

fn list(items: Vec<Item>) -> Vec<AnyView> {
    items
        .into_iter()
        .map(|item| {
            let ticked = item.task;
            let tick = ticked.map(|done| view! { <input type="checkbox" disabled=true prop:checked=done aria-label=if done { "✓" } else { "–" } /> });
            view! { <li class:task=ticked.is_some()>{tick}{blocks(item.blocks)}</li> }.into_any()
        })
        .collect()
}

fn table(columns: &[Column], head: Vec<Vec<Inline>>, rows: Vec<Vec<Vec<Inline>>>) -> AnyView {
    let class = |at: usize| match columns.get(at) {
        Some(Column::Center) => "center",
        Some(Column::End) => "end",
        _ => "start",
    };
    let head = head
        .into_iter()
        .enumerate()
        .map(|(at, cell)| view! { <th scope="col" class=class(at)>{inlines(cell)}</th> })
        .collect::<Vec<_>>();
    let rows = rows
        .into_iter()
        .map(|row| {
            let cells = row
                .into_iter()
                .enumerate()
                .map(|(at, cell)| view! { <td class=class(at)>{inlines(cell)}</td> })
                .collect::<Vec<_>>();
            view! { <tr>{cells}</tr> }
        })
        .collect::<Vec<_>>();
    view! {
        <div class="table" tabindex="0" dir="auto">
            <table>
                <thead><tr>{head}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn inlines(content: Vec<Inline>) -> Vec<AnyView> {
    content.into_iter().map(inline).collect()
}

fn inline(inline: Inline) -> AnyView {
    match inline {
        Inline::Text(text) => text.into_any(),
        Inline::Code(text) => view! { <code dir="ltr">{text}</code> }.into_any(),
        Inline::Emphasis(content) => view! { <em>{inlines(content)}</em> }.into_any(),
        Inline::Strong(content) => view! { <strong>{inlines(content)}</strong> }.into_any(),
        Inline::Struck(content) => view! { <s>{inlines(content)}</s> }.into_any(),
        // The parser let only harmless addresses pass; the page they lead to learns nothing of ours.
        Inline::Link(address, content) => view! {
            <a href=address target="_blank" rel="noopener noreferrer nofollow">{inlines(content)}</a>
        }
        .into_any(),
        // The style sheet keeps line ends.
        Inline::SoftBreak => "\n".into_any(),
        Inline::HardBreak => view! { <br /> }.into_any(),
    }
}
