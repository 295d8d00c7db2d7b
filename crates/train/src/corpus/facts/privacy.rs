//! Who can read what, and what each mode shows to whom.
//! Does not speak of keys.

use super::Fact;

pub(super) const FACTS: &[Fact] = &[
    Fact {
        name: "privacy",
        terms: &[
            "private",
            "private and what is not",
            "the privacy",
            "your privacy policy",
        ],
        deeds: &[],
        questions: &[
            "is <app> <safe>",
            "is {my|the|this} <text> <safe>",
            "are my <text> <safe>",
            "who can <see> {my|the|our|what i} {<text>|write|type|say}",
            "who can <see> what i {write|type|ask|say|send}",
            "who {reads|sees|gets|knows} {my <text>|what i write|what i ask|what i type|this}",
            "can <others> <see> {my <text>|what i write|what i type|what i ask|this chat|this}",
            "does {anybody|anyone|somebody|someone} {see|read} {my <text>|what i write|this}",
            "what is {private|private here|private and what is not|not private|public}",
            "how private {is this|is it|is Manyhands|are my chats|is my chat}",
            "what about {privacy|my privacy|data protection|my data|security}",
            "what {is shared|do you share|do others see|do strangers see|can strangers see}{ about me| of me| with others|}",
            "how do you {protect|treat|handle|use} my {data|privacy}",
            "is {this|my} {chat|conversation} {private|public|encrypted}",
            "do {strangers|other people|others} {see|read|get} {my messages|what i write|my questions}",
            "can {strangers|others|other people} read {the things|what|everything|the text} i {write|type|send}",
            "is {what|everything} i {type|write|say}{ here|} {kept |}{private|secret|confidential|safe}",
            "{which|what} {parts|things} are private{ and which are not|}",
        ],
        answers: &[
            "On this device, nothing you write leaves it. On strangers' devices, the people who run the layers can read it.",
        ],
    },
    Fact {
        name: "stay private",
        terms: &[],
        deeds: &[
            "{keep|make} {my <text>|it|this|everything|what i write|my chat} {private|secret|to myself|on this device|local}",
            "{chat|ask|write|talk|use it} {privately|in private|in secret|locally|without strangers|only on my device|offline}",
            "{stay|be|remain} {private|anonymous}",
            "{avoid|exclude|not use} strangers",
            "{protect|guard} my {privacy|messages|text|secrets}",
            "make sure {nobody|no one} {reads|sees} {my messages|it|what i write}",
        ],
        questions: &[
            "which mode is {private|the most private|safest|the safest|secret}",
            "is there a private mode",
            "can i {chat|use it} {privately|without strangers|only on my device|locally}",
            "what {should|must|can} i {choose|do} {for privacy|to stay private|so that nobody reads it}",
            "how do i {make sure|ensure} that {nobody|no one|no stranger}{ else|} {reads|sees} {my messages|what i write|it}",
        ],
        answers: &[
            "Choose This device above the text field: then only your own tab computes, and nothing you write leaves it.",
        ],
    },
    Fact {
        name: "secrets",
        terms: &[],
        deeds: &[
            "use strangers' devices {safely|wisely}",
            "behave with strangers' devices",
        ],
        questions: &[
            "{can|may|should|shall} i {write|type|send|enter|tell|share|ask about} {my|a|secrets and|personal} {password|passwords|name|secrets|secret|address|private things|personal data|bank details|credit card|medical data|phone number}{ here|}",
            "what {should|must|may} i not {write|type|share|send|say|ask}",
            "what {must|should} i {avoid|be careful with|keep in mind|keep to myself}",
            "is it {safe|ok|fine} to {write|type|share|send} {secrets|passwords|my name|personal data|private things|my address}",
            "may i write about other people",
            "is it {dangerous|risky|a risk} to use strangers' devices",
            "what are the {risks|dangers}",
            "is it {a good idea|wise|clever|safe} to {send|write|type|give|tell} {my password|passwords|secrets|my name|private things|my address} to strangers",
            "{should|may|can} i {send|give|tell} {strangers|other people} my {password|name|address|secrets}",
        ],
        answers: &[
            "Treat strangers' devices like a public forum: no names, no secrets, nothing about other people. For private things choose This device.",
        ],
    },
    Fact {
        name: "address",
        terms: &[],
        deeds: &["hide my {ip|ip address|address|network address}"],
        questions: &[
            "{can|do|could} <others> see my {ip|ip address|network address|location}",
            "is my {ip|ip address|network address|location} {visible|hidden|shown|public|shared|secret|known}",
            "who {sees|knows|gets|can see} my {ip|ip address|network address}",
            "does {webrtc|lending|<app>|the swarm} {show|reveal|leak|expose|share} my {ip|ip address|network address|location}",
            "am i {anonymous|traceable}{ here| in the swarm| when i lend|}",
            "what do {the devices i work with|others|peers} {learn|know|see} about {me|my device|my computer}",
            "can {the others|others|strangers|peers} {find out|see|learn|get|know} my {ip address|ip|network address}",
        ],
        answers: &[
            "Yes: the devices you compute with see your network address, because WebRTC connects you directly. Nothing else of yours is shared.",
        ],
    },
    Fact {
        name: "relay sees",
        terms: &[],
        deeds: &[],
        questions: &[
            "{can|does|could} the {relay|server|relay server|operator} <see> {my <text>|what i write|what is computed|my chats|anything}",
            "what does the {relay|server} {see|know|learn|store|log|read|know about me}",
            "does the {relay|server} {read|store|log|keep|record|hear|listen to} {my messages|my chats|anything|what i write|conversations}",
            "is my {text|chat|message|data} {sent to|stored on|on|uploaded to} {a|the} server",
            "do {my messages|my chats|answers} {go|pass|run} {through|over} {the|a} {relay|server}",
            "does the {relay|server} {get to|ever} {see|read|know} {my messages|what i write|anything}",
        ],
        answers: &[
            "No. The relay only introduces browsers to each other. It never sees what you write or what the tabs compute.",
        ],
    },
    Fact {
        name: "route",
        terms: &["the route", "the route of an answer", "the line under an answer"],
        deeds: &[
            "{see|find out|know|check|learn} {where|on which devices|who} {my|the|an} <answer> {was computed|was made|ran|computed}",
        ],
        questions: &[
            "where {was|did} {this|my|the|that} <answer> {computed|made|run|come from}",
            "who {computed|made|calculated} {this|my|the|that} <answer>",
            "which devices {computed|made|took part in} {this|my|the} <answer>",
            "{on|by} which devices was {it|this|my answer} computed",
            "do i see {who computed my answer|where my answer came from}",
            "on {whose|which} {devices|computers|device} {was|is} {this|the|my} answer {computed|made|calculated}",
        ],
        answers: &[
            "The line under each answer says where it was computed. Open it to see every device on the way, its layers and its time.",
        ],
    },
];
