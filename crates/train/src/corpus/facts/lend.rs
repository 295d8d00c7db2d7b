//! Lending a hand: how, from what, what it costs, how to stop, how to invite others.
//! Does not speak of privacy beyond what lending shows.

use super::Fact;

pub(super) const FACTS: &[Fact] = &[
    Fact {
        name: "lend",
        terms: &[],
        deeds: &[
            "lend a hand",
            "lend a hand",
            "<lend> {a hand|my <me>|my <me>|<power>|some layers|layers|my gpu|my cpu|my processor}",
            "{start|begin} {lending|sharing|donating|lending a hand|lending layers|to lend}",
            "{help|help out|help others|help the swarm|take part|join in|participate|contribute|support you|support this|be useful|join the swarm}",
            "{let others use|put} my <me>{| to use| to work}",
            "make my <me> {available|help|useful|part of the swarm}",
            "compute {layers|for others|something}",
        ],
        questions: &[
            "where {is the lend button|can i lend|do i start lending|do i lend|is lending}",
            "which {page|button} is for lending",
            "can i {help|contribute|lend a hand|lend my <me>|take part|join}",
            "i {want|would like} to {help|lend|contribute|give something back}",
        ],
        answers: &[
            "Open the page Lend a hand and press Start lending. You are asked first, and you can stop at any moment.",
        ],
    },
    Fact {
        name: "what lending does",
        terms: &[
            "lending",
            "lending a hand",
            "to lend a hand",
            "lend a hand",
            "lending layers",
            "the page lend a hand",
        ],
        deeds: &[],
        questions: &[
            "what {happens|will happen} {when|if} i {lend|lend a hand|start lending|press start lending|share my <me>|lend my <me>|help}",
            "what does {lending|my <me>|lending a hand} do{ when i lend| while i lend| exactly|}",
            "what {do i|does my <me>} {lend|share|give|contribute|compute|do for others}",
            "what is {downloaded|computed} {when|if} i lend",
            "what exactly {do i lend|am i lending|do i share}",
        ],
        answers: &[
            "When you lend, part of a model is downloaded and your device computes a few layers for other people while the page is open.",
        ],
    },
    Fact {
        name: "stop lending",
        terms: &[],
        deeds: &[
            "<stop> {lending|lending a hand|sharing|helping|donating|contributing|to lend|the lending}",
            "<stop> {the swarm|computing|it again|lending my <me>}",
            "{get out|get out of it|opt out|stop it|leave the swarm|take my <me> back|withdraw my <me>}",
        ],
        questions: &[
            "can i <stop> {at any time|at any moment|any time|whenever i want|lending|lending again|again}",
            "what {happens if|if} i {close the tab|close the page|close the browser|shut down|turn off my <me>}{ while lending|}",
            "how {fast|quickly|soon} {does it stop|can i stop}",
            "where is the stop button",
            "when does lending {stop|end}",
        ],
        answers: &["Press Stop lending on the page Lend a hand, or just close the tab. It stops at once."],
    },
    Fact {
        name: "cost of lending",
        terms: &[],
        deeds: &["{save|spare} {battery|power|data|energy}{ while lending|}"],
        questions: &[
            "does {lending|it|this} {use|drain|cost|need|eat} {a lot of |much |my |}{battery|power|electricity|energy|data|memory|bandwidth|traffic}",
            "what does lending {cost|cost me|use|need}",
            "how much {battery|power|electricity|energy|data|memory|bandwidth|ram} does {lending|it} {use|need|cost|take}",
            "will {lending|it} {slow down|harm|damage|heat up|hurt|break|drain} my <me>",
            "is lending {bad|harmful} for my <me>",
            "can i lend only {while charging|when charging|when plugged in|on wifi|on wi-fi|at home}",
            "does it run {on mobile data|on battery|while charging only}",
            "what about {my battery|mobile data|battery|power|electricity|my data plan}",
        ],
        answers: &[
            "Lending uses power, some data and memory. You can lend only while charging, and not on a metered or mobile connection.",
        ],
    },
    Fact {
        name: "phone",
        terms: &[],
        deeds: &[
            "{use|lend with|help with|lend from|join with|join from|take part with} {my|a|an old} <phone>",
            "use <app> on {my|a} <phone>",
        ],
        questions: &[
            "can i {lend|help|use this|use Manyhands|use it|join|take part} {with|on|from} {my|a|an old} <phone>",
            "does <app> {work|run} on {a|my|an old} <phone>",
            "does it work on {android|ios|mobile|phones|tablets}",
            "is there {an app|a mobile app|a phone app|an android app|an iphone app}{ for my phone| in the app store|}",
            "is my <phone> {enough|fast enough|good enough|supported}",
            "{why|must|does|should} the page {stay|have to stay|remain|be} {open|visible}",
        ],
        answers: &[
            "Yes, a phone works: open the page in its browser. Keep the page open and visible while lending, because phones stop pages in the background.",
        ],
    },
    Fact {
        name: "scan",
        terms: &[
            "the qr code",
            "the qr code for",
            "a qr code",
            "the code",
            "the square code",
        ],
        deeds: &[
            "scan {a|the|this} {qr code|code|qr|invite|invitation}",
            "use {the|a} {qr code|code|invite}",
            "read {the|a} qr code",
            "{open|accept|use} {the|an} {invite|invitation|invite link|invitation link}",
            "join {by|with} {qr code|a code|an invite|a link|the code}",
        ],
        questions: &[
            "what {happens when|do i do after} i {scan|scanned} {the|a} {code|qr code}",
            "what {do i do|should i do} with {the|this} {code|qr code|invite|square}",
            "{do i need|which} {an app|app} to scan {the|a} code",
            "i {have|got|see} {a|the} {qr code|code|invite}{, what now|}",
        ],
        answers: &[
            "Point your phone's camera at the QR code and open its link. The page opens in the browser, and nothing starts before you agree.",
        ],
    },
    Fact {
        name: "invite",
        terms: &["an invite", "an invitation", "an invite link"],
        deeds: &[
            "invite {a friend|friends|others|somebody|another device|a device|people|my phone|more people|someone|a colleague}",
            "{add|bring in|connect} {another|a second|one more|more|a new} {device|devices|computer|phone|friend}",
            "{get|find|show|see} {the|a} {qr code|invite|invite link|invitation}",
            "share {the link|the invite|an invite}",
        ],
        questions: &[
            "where {is|do i find|can i find} the {qr code|invite|invitation|invite link|code to scan}",
            "can {i invite {a friend|others|friends|people}|my friends join|others join|a friend join}",
            "which page shows the {qr code|invite}",
        ],
        answers: &[
            "The page Lend a hand shows a QR code and a link under Invite a device. Scan it with a phone or open the link on another computer.",
        ],
    },
    Fact {
        name: "lan",
        terms: &["the option lan", "--lan"],
        deeds: &[
            "{connect|reach it with|open it on|use it from} {my phone|a phone|other devices|another device} {in|on|over} {the same network|my network|the local network|wifi|my wifi|the lan|my home network}",
            "{start|run} the relay for phones",
            "reach {the relay|localhost|my computer} {from|with} my phone",
        ],
        questions: &[
            "why {can't|can|does} my phone {not open localhost|open localhost|reach the relay|not connect}",
            "how {does my phone|do phones} {find|reach} {the relay|my computer|the page}",
            "what {is the command|command do i need|do i type} for phones",
            "the {link|address|code} {works on this computer only|does not work on my phone}",
        ],
        answers: &[
            "Start the relay with cargo xtask serve --lan. It listens on your network and prints an invite as a QR code for phones.",
        ],
    },
    Fact {
        name: "leaving",
        terms: &[],
        deeds: &[],
        questions: &[
            "what {happens|happens then|happens to my answer} {if|when} a {device|tab|peer|computer|phone|lender} {leaves|disappears|goes away|goes offline|is closed|dies|crashes|drops out|stops}",
            "what if {somebody|someone|a peer|a device|a lender} {leaves|closes the tab|goes away|drops out|disconnects}",
            "is {my|the} answer lost {if|when} {somebody|a device|a tab} leaves",
            "{can|may} {a|one} device leave {in the middle of an answer|in the middle|mid sentence|during an answer}",
            "what happens {if|when} the connection {breaks|is lost|fails}",
            "how do you handle {failures|lost devices|devices that leave}",
        ],
        answers: &[
            "When a device leaves, another one that has the same layers takes its place, and the answer goes on where it was.",
        ],
    },
    Fact {
        name: "nobody",
        terms: &[],
        deeds: &[],
        questions: &[
            "what {if|happens if|happens when} nobody {lends|helps|is there|is online|is lending|shares}",
            "why {is my answer waiting|is it waiting|am i waiting|do i get no answer|does nothing happen|does it say waiting|is there no answer|do i have to wait}",
            "{nobody|no one} {lends|is here|is lending|answers}",
            "what if {layers|some layers|a layer} {are|is} missing",
            "are there enough {people|devices|lenders|layers}",
        ],
        answers: &[
            "If nobody lends some layers, the answer waits until somebody does. You can lend them yourself, or choose this device.",
        ],
    },
    Fact {
        name: "swarm page",
        terms: &["the page swarm", "the swarm page", "coverage", "the ring"],
        deeds: &[
            "see {who lends|the swarm|the other devices|who is there|who is lending|which layers are lent|the lenders}",
        ],
        questions: &[
            "who {lends|is lending|is helping|is online|is there|shares} {right now|now|at the moment|}",
            "how many {devices|people|lenders|peers|tabs} {are there|are online|lend|are lending|are in the swarm}",
            "which layers are {lent|covered|missing|available}",
            "where {can i see|do i see} {who lends|the lenders|the swarm|which layers are lent}",
        ],
        answers: &[
            "The page Swarm shows who lends what right now: a ring of the model's layers, and a list of the devices.",
        ],
    },
    Fact {
        name: "speed",
        terms: &[],
        deeds: &["make it {faster|quicker}", "speed {it|things|the answers} up"],
        questions: &[
            "how fast is <app>",
            "why {is <app>|are you|is the answer|is this} so slow",
            "is <app> {fast|slow|quick|as fast as a data centre}",
            "what {limits|decides} the speed",
            "how many tokens per second {do i get|are there|does it make}",
            "{does|will} {it|the answer} get {faster|slower} with more {devices|tabs|people}",
            "how long does an answer take",
        ],
        answers: &[
            "A chain of tabs is as slow as its slowest member plus the way between them. It lets small devices run a large model; it does not beat a data centre.",
        ],
    },
    Fact {
        name: "requirements",
        terms: &[],
        deeds: &[],
        questions: &[
            "do i need a {gpu|graphics card|fast computer|special computer|good computer|powerful computer|server|new computer|strong gpu}",
            "what {do i need|hardware do i need|computer do i need|are the requirements|device do i need}{ for this| to lend| to use Manyhands|}",
            "does <app> {need|require|use} a {gpu|graphics card}",
            "can an old {computer|laptop|machine} help",
            "which {browser|browsers} {do i need|work|are supported|can i use}",
            "does it work {in firefox|in chrome|in safari|in any browser|without a gpu|on linux|on windows|on a mac}",
            "what are the {system|minimum} requirements",
        ],
        answers: &[
            "A current browser is enough: a tab can compute on the processor, without a graphics card. Each device takes as many layers as fit it.",
        ],
    },
    Fact {
        name: "install",
        terms: &[],
        deeds: &["{join|get in|sign up|register|log in|sign in|open an account|get an account}"],
        questions: &[
            "do i {have to|need to|must} {install|download} {anything|something|an app|a program|software}",
            "do i need {to sign up|to register|to log in|an account|a login|a password|an email address|to install anything|an app}",
            "is there {an account|a login|a registration|an installer|anything to install|a sign-up}",
            "where {do i|can i} {sign up|register|log in|create an account|download it}",
            "can i use <app> without {an account|a login|signing up|installing}",
            "what do i have to install",
        ],
        answers: &[
            "Nothing to install and no account: open the page in a browser, and the tab is a whole node.",
        ],
    },
];
