//! Line icons on a 24-pixel grid, and the mark of the project.
//! Decoration only: every button also has a name.

use leptos::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Chat,
    Hand,
    Swarm,
    Model,
    Key,
    Settings,
    Plus,
    Menu,
    Search,
    Send,
    Stop,
    Copy,
    Check,
    Edit,
    Again,
    Continue,
    Trash,
    Left,
    Right,
    Down,
    Fetch,
    Pause,
    Play,
    Device,
    Devices,
    Spark,
    Globe,
    Warning,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Chat => "M4 5.5h16v11H9.5L5 20v-3.500H4z",
            Self::Hand => {
                "M7.500 12V6.500a1.500 1.500 0 0 1 3 0V11m0-.5V4.500a1.500 1.500 0 0 1 3 0V11m0-5a1.500 1.500 0 0 1 3 0v6m0-3\
                 a1.500 1.500 0 0 1 3 0V15a6.500 6.500 0 0 1-12 3.500L4.300 14a1.600 1.600 0 0 1 2.600-1.800L9 14.500"
            }
            Self::Swarm => {
                "M12 4.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600zM5.500 15.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600z\
                 M18.500 15.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600zM11 7.600l-4.500 7.700M13 7.600l4.500 7.700M7.300 17h9.400"
            }
            Self::Model => "M12 3l8 4.500v9L12 21l-8-4.500v-9zM4 7.500l8 4.500 8-4.500M12 12v9",
            Self::Key => {
                "M14.500 4a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM10.500 13.500L4 20v-3M6.500 17.500L9 20M16 8h.01"
            }
            Self::Settings => "M4 7h10M18 7h2M14 5v4M4 17h2M10 17h10M10 15v4M4 12h5M13 12h7M9 10v4",
            Self::Plus => "M12 5v14M5 12h14",
            Self::Menu => "M4 7h16M4 12h16M4 17h10",
            Self::Search => "M11 4.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM16 16l4 4",
            Self::Send => "M12 19V5M6 11l6-6 6 6",
            Self::Stop => "M7 7h10v10H7z",
            Self::Copy => "M9 9h10v11H9zM15 9V4H5v11h4",
            Self::Check => "M5 12.500l4.500 4.500L19 7.500",
            Self::Edit => "M5 19l1-4L16.500 4.500l3 3L9 18zM14 7l3 3",
            Self::Again => "M19 12a7 7 0 1 1-2.200-5.100M19 4v4h-4",
            Self::Continue => "M4 12h11M11 7l5 5-5 5M20 6v12",
            Self::Trash => "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
            Self::Left => "M14.500 6l-6 6 6 6",
            Self::Right => "M9.500 6l6 6-6 6",
            Self::Down => "M6 9.500l6 6 6-6",
            Self::Fetch => "M12 4v11M7 10.500l5 5 5-5M5 20h14",
            Self::Pause => "M9 6v12M15 6v12",
            Self::Play => "M8 5.500v13l10-6.500z",
            Self::Device => "M4 5h16v11H4zM9 20h6M12 16v4",
            Self::Devices => "M3 6h12v9H3zM6 19h6M17 9h4v10h-4z",
            Self::Spark => "M12 4l1.800 5.200L19 11l-5.200 1.800L12 18l-1.800-5.200L5 11l5.200-1.800z",
            Self::Globe => {
                "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM4 12h16M12 4c3 3 3 13 0 16M12 4c-3 3-3 13 0 16"
            }
            Self::Warning => "M12 4.500L21 19.500H3zM12 10v4.500M12 17h.01",
        }
    }
}

pub fn icon(which: Icon) -> impl IntoView {
    let flips = matches!(which, Icon::Left | Icon::Right | Icon::Continue | Icon::Play);
    view! {
        <svg class="icon" class:flips=flips viewBox="0 0 24 24" aria-hidden="true">
            <path d=which.path()></path>
        </svg>
    }
}

/// Seven hands around a shared middle; they turn while `busy`.
#[component]
pub fn Mark(#[prop(into, default = Signal::derive(|| false))] busy: Signal<bool>) -> impl IntoView {
    const HANDS: u32 = 7;
    let hands = (0..HANDS)
        .map(|hand| {
            let turn = format!("rotate({:.2} 32 32)", f64::from(hand) * 360.0 / f64::from(HANDS));
            let class = format!("hand hand-{}", hand % 4);
            view! { <rect class=class x="28" y="8" width="8" height="16" rx="4" transform=turn></rect> }
        })
        .collect_view();
    view! {
        <svg class="mark" class:busy=busy viewBox="0 0 64 64" aria-hidden="true">
            {hands}
        </svg>
    }
}
