//! Keys, ownership, consent and what is kept.
//! Does not say who can read what: that is `privacy`.

use super::Fact;

pub(super) const FACTS: &[Fact] = &[
    Fact {
        name: "key",
        terms: &[
            "a key",
            "a key",
            "the key",
            "my key",
            "a key pair",
            "keys",
            "an identity",
            "my identity",
            "the page keys",
            "an id",
            "my id",
            "the keys page",
            "the word key",
            "key",
        ],
        deeds: &[],
        questions: &[
            "what {is|are} {a key|keys|my key} for",
            "why {do i have|do i need|would i need|is there} a key",
            "what does {a|my|the} key do",
            "how {am i|are people|are users} {identified|known|recognised}",
            "who am i{ here| in the swarm|}",
            "what is the {purpose|point|use|meaning} of {a|my|the} key",
            "tell me {what|about} {my|a|the} key{ is|}",
        ],
        answers: &[
            "A key is a key pair that your browser makes. It is who you are in the swarm: no account, no server.",
        ],
    },
    Fact {
        name: "keep key",
        terms: &[],
        deeds: &[
            "{keep|store|protect|save|secure|guard|look after} {my|a|the} key{ safe|}",
            "keep my {identity|id} safe",
            "back up my key",
        ],
        questions: &[
            "where is my key {kept|stored|saved|held}",
            "where {do you|does Manyhands|does the browser} {keep|store|save} {my key|keys|the key}",
            "is my key <safe>",
            "{can|could} {somebody|someone|others|anybody|a hacker|the relay} {steal|copy|take|see|read} my {key|private key}",
            "who {has|can see|knows|holds} my {key|private key}",
            "does my {private key|key} leave {my|the} {browser|device}",
            "how safe {is my key|are keys}",
            "in {which|what} place is my key{ kept| saved|}",
            "how {do i|can i} {keep|protect} my key {from|against} {thieves|hackers|others}",
        ],
        answers: &[
            "Your key is kept in this browser. If the browser's data is cleared, the key is gone: keep a sealed backup where the page Keys offers one.",
        ],
    },
    Fact {
        name: "move key",
        terms: &[],
        deeds: &[
            "{move|transfer|export|import|copy|bring|take|carry|migrate|send} {my|a|the} key{ to another device| to a new phone| to my phone| to another browser| to a new computer|}",
            "use {my|the same} key on {another|a second|two|a new} {device|devices|computer|browser|phone}",
            "use my {identity|id|key} {elsewhere|on my phone|on another device|on two devices}",
            "get my key {out|onto another device|to my new phone}",
        ],
        questions: &[
            "can i {move|export|import|transfer|copy|share} my key",
            "can i have {the same|one} key on {two|several} devices",
            "i have a new {phone|computer|laptop|browser}{, what about my key|, how do i keep my key|}",
            "is it possible to {export|move|import|transfer} {a|my|the} key",
            "can i {take|bring|carry} my key {along|with me|to another computer|to a new phone}",
            "how {would|could} i {move|take|bring|transfer} my key{ to my new laptop| to another phone| elsewhere|}",
        ],
        answers: &[
            "The page Keys has Export and Import: Export saves a sealed backup, where the browser still gives the key out. If it does not, make a new key on the other device.",
        ],
    },
    Fact {
        name: "make key",
        terms: &[],
        deeds: &["<make> {a|my|my own|a new} {key|key pair|identity|id}"],
        questions: &[
            "where {can i|do i} <make> a key",
            "do i need a key{ to chat| to lend| to use <app>| at all|}",
            "is a key {needed|necessary|required}{ to chat| to lend|}",
            "must i have a key",
            "can i {chat|lend} without a key",
            "how is {a|my|a new} {key|key pair} {made|created|generated}",
            "who {makes|creates} {my|a} key",
            "{where|how} do i get {a|my first|a new} key",
        ],
        answers: &[
            "Press Create a key on the page Keys. Swarms and roles of your own need a key; chatting on this device does not.",
        ],
    },
    Fact {
        name: "lose key",
        terms: &[],
        deeds: &[
            "{forget|delete|remove|reset|destroy|erase|get rid of} {my|the|this} {key|identity}",
            "{recover|restore} {a|my} {lost |}key",
        ],
        questions: &[
            "what {if|happens if|happens when} i {lose|lost|forget|delete|clear|reset} my {key|browser data|identity}",
            "i {lost|have lost|deleted|forgot} my key",
            "can i {get my key back|recover my key|restore a lost key|delete my key}",
            "is a lost key {gone|lost forever}",
            "what happens to my {rights|roles|swarm} {if|when} {i lose my key|my key is gone}",
            "what do i do {if|when} {my key is|i have} {lost|lost my key|gone}",
            "my key {is|got} {lost|gone|deleted}",
        ],
        answers: &[
            "Without a backup, a lost key cannot be brought back, and what it may do is lost with it. Forget this key, on the page Keys, removes it on purpose.",
        ],
    },
    Fact {
        name: "owner",
        terms: &[
            "the owner",
            "a claim link",
            "the claim link",
            "an owner",
            "the owner of a swarm",
            "roles",
            "the roles",
        ],
        deeds: &[
            "{own|claim|become the owner of|take over|administer|manage} {the|a|my} swarm",
            "become {the owner|an owner|owner}",
        ],
        questions: &[
            "who {owns|controls|runs|manages|is in charge of|is the boss of|administers} {the|a|this} swarm",
            "who is the {owner|boss|admin|administrator}",
            "which roles are there",
            "who may {decide|change things|give roles}",
            "who {is|are} the {owner|owners|boss} of {this|the|a|my} swarm",
        ],
        answers: &[
            "The relay prints a claim link once: who opens it first owns the swarm with their key. The owner gives roles to other keys: Admin, Coordinator, Worker.",
        ],
    },
    Fact {
        name: "consent",
        terms: &[
            "consent",
            "the consent",
            "the question before lending",
            "a consent receipt",
        ],
        deeds: &["{withdraw|take back|revoke|undo|change} {my|the} {consent|agreement|answer}"],
        questions: &[
            "{can|does|could|will} {a site|a website|a page|somebody|it|Manyhands|the page|a link} {use|lend|start using} my <me> {without asking|secretly|without my consent|without permission|by itself|without telling me|in secret}",
            "does <app> {ask|ask me} {first|before it starts|for permission|for consent}",
            "what {did i agree to|do i agree to|have i agreed to}",
            "how long {is|does} my {consent|agreement} {kept|last|valid}",
            "does {anything|something|it} start {by itself|automatically|without me|on its own}",
            "do i have to agree{ to anything| first|}",
            "is my permission {needed|asked}",
            "{can|could|may|does} {a web page|a website|another site|the page} {use|take|run on} my <me> {without asking|without asking me|without my consent|without my permission|unasked}",
        ],
        answers: &[
            "Nothing starts before you agree. Your consent is kept on this device for 30 days, and you can withdraw it on the page Keys.",
        ],
    },
    Fact {
        name: "conversations",
        terms: &["the history", "the list of conversations"],
        deeds: &[
            "{delete|erase|remove|clear} {my|the|all|a} {conversation|conversations|chat|chats|history}",
            "{export|import|save|back up|download} {my|the|all} {conversations|chats|history}",
            "{find|search|see} {my|the} {old|earlier|past|} {conversations|chats}",
            "rename a {conversation|chat}",
        ],
        questions: &[
            "where are my {conversations|chats|messages} {kept|stored|saved}",
            "are my {conversations|chats|messages} {saved|stored|kept}{ on a server| somewhere| anywhere|}",
            "do you {save|store|keep|log|record} {my|the} {conversations|chats|messages|questions|history}",
            "can i {delete|export|import} {my|the} {conversations|chats|history}",
            "do you remember {me|our chat|what i said|earlier chats}",
            "how {can|do} i {delete|remove|erase} {all|all of} my {chats|conversations|messages}",
            "where do you {keep|store|save} {the|my} {conversations|chats}{ i have|}",
        ],
        answers: &[
            "Your conversations are kept in this browser only. Under Settings you can export, import or delete them.",
        ],
    },
    Fact {
        name: "settings",
        terms: &[
            "the settings",
            "temperature",
            "the page settings",
            "top-p",
            "the temperature",
        ],
        deeds: &[
            "{change|set|choose|switch} {the|my} {language|theme|colours|temperature|appearance|settings|length of answers}",
            "{switch to|use|turn on|get} {dark mode|the dark theme|light mode|spanish|arabic|another language}",
        ],
        questions: &[
            "{what|which} languages {does <app> have|are there|do you have|does the app speak|are supported|can i choose}",
            "is there {a dark mode|a dark theme|a spanish version|an arabic version|a setting}",
            "where {is|are} the {settings|options|preferences|language setting|dark mode}",
            "does the app speak {spanish|arabic|my language}",
            "how {would|do|can} i {switch|change|turn} {the app|the page|it|everything} to {spanish|arabic|english|dark|another language}",
        ],
        answers: &[
            "On the page Settings you choose the theme, the language, among them English, Spanish and Arabic, and how answers are made, such as the temperature.",
        ],
    },
];
