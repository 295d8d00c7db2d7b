//! Running it oneself: the relay, models of one's own, tests, other pages.
//! Does not explain the screens.

use super::Fact;

pub(super) const FACTS: &[Fact] = &[
    Fact {
        name: "serve",
        terms: &["cargo xtask serve", "the command to start it", "cargo xtask"],
        deeds: &[
            "<start> {Manyhands|it|this|my own relay|a relay|the relay|my own swarm|a swarm|my own server|the server}{ myself| at home| on my computer| from the source|}",
            "{build|compile} {it|Manyhands|the app|the code}",
            "{make|found|create|open} {my own|a|a new} swarm",
        ],
        questions: &[
            "{which|what} command {starts|runs|launches} {it|Manyhands|the relay|everything}",
            "what is the command to {start|run} {it|Manyhands|the relay}",
            "can i {host|run|have} {it|Manyhands|my own relay|a relay|my own swarm}{ myself|}",
            "where does the relay listen",
            "how {do|can|would} i run {it|Manyhands|this|a relay} {on|at} my {own |}{computer|machine|home|server}",
        ],
        answers: &[
            "Run cargo xtask serve in the repository. It builds everything and starts the relay on http://localhost:8787.",
        ],
    },
    Fact {
        name: "own model",
        terms: &["the supported models"],
        deeds: &[
            "{use|add|load|run|bring|try|offer|publish|serve} {my own|another|a different|a larger|a bigger|a better|a new|other|more} {<model>|models}",
            "{use|load|run|add} {a|my} gguf{ file|}",
            "{change|replace|switch} the model",
        ],
        questions: &[
            "can i {use|add|run|bring|load} {my own|another|a larger|a bigger|other|a different} {<model>|models}",
            "which models {can i use|work|are supported|does it run|run here|are there|can it run|does Manyhands support}",
            "what models {can i use|work|are supported|does it run|do you have|are available}",
            "does <app> {run|support} {llama|qwen|mistral|gpt|large models|other models|gguf}",
            "can it run {llama|qwen|mistral|a large model|other models}",
            "is there a {better|larger|bigger|smarter} model",
        ],
        answers: &[
            "Bring a GGUF file on the page Models, or run cargo xtask serve -- --model FILE.gguf. Llama-class and Qwen models work.",
        ],
    },
    Fact {
        name: "test",
        terms: &["cargo xtask test"],
        deeds: &[
            "{test|check} {it|Manyhands|the code|everything|the project}",
            "run {the|all} tests",
        ],
        questions: &[
            "{which|what} command runs the tests",
            "{are there|where are the} tests",
            "how is {it|Manyhands|the code} tested",
        ],
        answers: &[
            "Run cargo xtask test. It runs every test: native, in a simulated world, and in a real browser.",
        ],
    },
    Fact {
        name: "embed",
        terms: &["the embed", "the script tag"],
        deeds: &[
            "{put|embed|add|use|include} {Manyhands|it|this|the button|a lend button} {on|in|to} my {site|website|page|blog|homepage}",
            "let {my visitors|visitors of my site} {help|lend|lend a hand}",
        ],
        questions: &[
            "can {my site|my website|my visitors|visitors of my site|a website} {help|lend|use Manyhands|lend a hand}",
            "is there {a script tag|an embed|a widget|a plugin}{ for my site| for websites|}",
            "i {own|have|run} a {site|website|blog}{, can it help|, what can i do|}",
            "can i embed {it|Manyhands|this}",
        ],
        answers: &[
            "A site takes part with one script tag; see Sites on the page Keys. Visitors decide for themselves, and nothing starts without their consent.",
        ],
    },
    Fact {
        name: "api",
        terms: &[
            "the api",
            "the sdk",
            "the javascript api",
            "the module for developers",
        ],
        deeds: &[
            "{use|call|reach} {Manyhands|it|the node|the swarm} from {javascript|my own code|code|a program|typescript|my app}",
            "{program|develop|write code} {with|for} {Manyhands|it}",
        ],
        questions: &[
            "is there {an api|a javascript api|an sdk|a library|a module|an openai compatible api}",
            "do you have an {api|sdk}",
            "can {developers|i|my code|my program} {use|call} {an api|the swarm from code|Manyhands from javascript}",
            "is the api {like openai|compatible with openai}",
        ],
        answers: &[
            "Import createNode from /sdk/manyhands.js: it chats and lends from any page, in the shape of OpenAI's client.",
        ],
    },
    Fact {
        name: "models page",
        terms: &["the page models", "the models page"],
        deeds: &[
            "{choose|pick|select|see|find} {a|the|another} model{s|}",
            "see the {size|licence|memory} of a model",
        ],
        questions: &[
            "where {are|do i find|can i see} the models",
            "which page {lists|shows} the models",
            "does {a|the|this} model fit {my|this} <me>",
            "how much memory does a model need",
            "how {big|large} {is a model|are the models}",
        ],
        answers: &[
            "The page Models lists what this swarm offers, with size, licence, memory and whether it fits this device.",
        ],
    },
];
