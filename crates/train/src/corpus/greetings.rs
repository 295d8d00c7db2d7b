//! Greetings, thanks and good-byes, in a few languages.
//! Does not hold facts.

use gguf::synthetic::SplitMix;

use super::grammar::{chance, expand, pick};

/// What is said, and what is answered to it.
struct Courtesy {
    said: &'static [&'static str],
    answer: &'static str,
}

const HELLO: &str = "Hello! I am the small guide of Manyhands. Ask me what it is or how to lend a hand.";

const COURTESIES: &[Courtesy] = &[
    Courtesy {
        said: &[
            "{hi|hello|hey|hi there|hello there|hey there|good morning|good afternoon|good evening|good day|greetings|howdy|hiya|yo|hallo there|hello guide|hi guide|hello Manyhands|hi Manyhands|hey you|morning|evening|helo|hii|heyy|hello hello|hello world|hi everyone|hello everybody|hi friend|hello my friend|hey guide|good morning guide|nice to meet you|hello little guide|sup|what's up|hey what's up|well hello|oh hi|hi again|hello again|welcome|ahoy|salutations|hi hi}",
            "{hi|hello|hey|good morning|good evening|good afternoon}{ there| to you| everyone| all| guide| friend| again|, nice to meet you|, i am new here| from my phone|}",
        ],
        answer: HELLO,
    },
    Courtesy {
        said: &[
            "{how are you|how are you doing|how do you do|how is it going|how's it going|are you well|are you ok|how do you feel|how are things|how are you today|hello, how are you|hi, how are you|hey, how are you|how have you been|how was your day|you ok}",
        ],
        answer: "Hello! I am well, thank you: small, but ready. Ask me something about Manyhands.",
    },
    Courtesy {
        said: &[
            "{thanks|thank you|thanks a lot|thank you very much|many thanks|thx|ty|great, thanks|ok thanks|thanks for your help|thank you so much|cheers|perfect, thank you|thanks, that helps|that helped|that was helpful|very kind of you|merci beaucoup|you are helpful|well done|good answer|good job|nice|great|cool|awesome|i like you|wonderful|good bot|super|very good}",
        ],
        answer: "You are welcome! Many hands make light work.",
    },
    Courtesy {
        said: &[
            "{bye|goodbye|good bye|see you|see you later|bye bye|good night|farewell|until next time|see you soon|i have to go|take care|have a nice day|have a good day|ciao|that is all|that's all|i am done|talk to you later|later}{, guide| then| for now|}",
        ],
        answer: "Goodbye! Come back whenever you like.",
    },
    Courtesy {
        said: &[
            "{ok|okay|i see|yes|no|aha|understood|got it|alright|all right|fine|right|sure|hm|hmm|interesting|oh|ah|ok cool|i understand|makes sense|good to know|maybe|yep|nope|yeah}",
        ],
        answer: "Good. Ask me more about Manyhands whenever you like.",
    },
    Courtesy {
        said: &[
            "{hola|buenos días|buenas tardes|buenas noches|buenas|hola guía|hola, ¿qué tal?|hola amigo|¿qué tal?|¡hola!|hola a todos|muy buenas|saludos|hola, buenos días|hola, ¿cómo estás?|¿cómo estás?|buen día|hola mundo|hola de nuevo}",
        ],
        answer: "¡Hola! Soy la pequeña guía de Manyhands. Hablo sobre todo inglés: pregúntame qué es Manyhands.",
    },
    Courtesy {
        said: &[
            "{bonjour|salut|bonsoir|coucou|bonjour à tous|salut, ça va ?|bonjour, ça va ?|ça va ?|bonjour le guide|bonne journée|bonjour monsieur|bonjour madame|salut mon ami|bien le bonjour|bonjour, comment allez-vous ?|rebonjour|allô}",
        ],
        answer: "Bonjour ! Je suis le petit guide de Manyhands. Je parle surtout anglais : demandez-moi ce qu'est Manyhands.",
    },
    Courtesy {
        said: &[
            "{hallo|guten tag|guten morgen|guten abend|servus|moin|grüß gott|grüezi|hallo zusammen|na, wie geht's|hallo, wie geht es dir|hallo du|moin moin|guten tag zusammen|hallöchen|wie geht es dir|wie geht's|schönen guten tag|grüß dich}",
        ],
        answer: "Hallo! Ich bin der kleine Wegweiser von Manyhands. Ich spreche vor allem Englisch: frag mich, was Manyhands ist.",
    },
    Courtesy {
        said: &[
            "{你好|您好|早上好|晚上好|你好吗|大家好|嗨|你好！|哈喽|下午好|你好呀|早|您好！|嗨，你好|你们好|早安}",
        ],
        answer: "你好！我是 Manyhands 的小向导，主要说英语。请问我什么是 Manyhands。",
    },
];

/// A greeting and its answer.
pub(super) fn exchange(random: &mut SplitMix) -> (String, String) {
    // A plain hello comes as often as all other languages together.
    let at = match random.below(100) {
        0..30 => 0,
        30..70 => 1 + random.below(4) as usize,
        _ => 5 + random.below(COURTESIES.len() as u64 - 5) as usize,
    };
    let courtesy = &COURTESIES[at];
    let mut said = expand(pick(courtesy.said, random), random);
    if chance(60, random) {
        let mut chars = said.chars();
        said = chars
            .next()
            .map(|c| c.to_uppercase().to_string())
            .unwrap_or_default()
            + chars.as_str();
    } else if chance(10, random) {
        said = said.to_uppercase();
    }
    if !said.ends_with(['?', '!', '！']) {
        said.push_str(pick(&["", "", "", "!", ".", "!", " :)", "!!", "?"], random));
    }
    (said, courtesy.answer.to_owned())
}
