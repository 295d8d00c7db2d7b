// The words of the frame in every language of the app: one table per language with the same keys.
// It chooses a language and fills places; the app's own words live with the app.

const EN = {
  title: 'Lend a hand',
  lead: 'Open models run on the devices of people who lend a hand. Nothing happens before you say so.',
  lend: 'Lend a hand',
  chat: 'Chat',
  about: 'What is this?',
  lend_title: 'Lend this device?',
  lend_1: 'Part of an open model is downloaded, and this device computes with it for other people while this is open.',
  lend_2: 'It uses power, some data and memory: at most {duty} % of the time. You can stop at any moment, at once.',
  lend_3: 'The devices it works with see its network address. Nothing is kept, and this site learns only how much was given.',
  chat_title: 'Use strangers’ devices?',
  chat_1: 'What you write passes through devices of people you do not know. They can read it.',
  chat_2: 'Treat it like a public forum: no names, no secrets, nothing about other people.',
  chat_3: 'These devices see your network address.',
  asks: '{origin} asks for this.',
  yes: 'I agree',
  no: 'Not now',
  own_window: 'Open in a window of its own',
  covered: 'Something may cover this question, so it cannot be answered here.',
  stop: 'Stop',
  loading: 'Loading part of a model',
  ready: 'Ready, waiting for work',
  working: 'Working for somebody',
  paused: 'Paused',
  stopped: 'Stopped. Thank you.',
  elsewhere: 'It goes on in its own window.',
  blocked: 'The browser did not open a window. Allow pop-up windows for this, or open this page by the link.',
  failed: 'It did not work: {why}',
  jobs: 'Jobs',
  tokens: 'Tokens',
  data: 'Data sent',
  message: 'Write a message',
  send: 'Send',
  strangers: 'Strangers’ devices compute this: they can read it.',
};

const ES = {
  title: 'Echa una mano',
  lead: 'Los modelos abiertos funcionan en los dispositivos de quienes echan una mano. Nada ocurre antes de que lo digas.',
  lend: 'Echar una mano',
  chat: 'Chatear',
  about: '¿Qué es esto?',
  lend_title: '¿Prestar este dispositivo?',
  lend_1: 'Se descarga parte de un modelo abierto y este dispositivo calcula con ella para otras personas mientras esto esté abierto.',
  lend_2: 'Consume energía, algunos datos y memoria: como mucho el {duty} % del tiempo. Puedes parar en cualquier momento, al instante.',
  lend_3: 'Los dispositivos con los que trabaja ven su dirección de red. No se guarda nada, y este sitio solo sabe cuánto se dio.',
  chat_title: '¿Usar dispositivos de desconocidos?',
  chat_1: 'Lo que escribas pasa por dispositivos de gente que no conoces. Pueden leerlo.',
  chat_2: 'Trátalo como un foro público: ni nombres, ni secretos, nada sobre otras personas.',
  chat_3: 'Esos dispositivos ven tu dirección de red.',
  asks: 'Lo pide {origin}.',
  yes: 'De acuerdo',
  no: 'Ahora no',
  own_window: 'Abrir en una ventana propia',
  covered: 'Puede que algo tape esta pregunta, así que no se puede responder aquí.',
  stop: 'Parar',
  loading: 'Cargando parte de un modelo',
  ready: 'Listo, esperando trabajo',
  working: 'Trabajando para alguien',
  paused: 'En pausa',
  stopped: 'Parado. Gracias.',
  elsewhere: 'Continúa en su propia ventana.',
  blocked: 'El navegador no abrió la ventana. Permite las ventanas emergentes para esto o abre la página con el enlace.',
  failed: 'No funcionó: {why}',
  jobs: 'Trabajos',
  tokens: 'Tokens',
  data: 'Datos enviados',
  message: 'Escribe un mensaje',
  send: 'Enviar',
  strangers: 'Lo calculan dispositivos de desconocidos: pueden leerlo.',
};

const AR = {
  title: 'مُدّ يد العون',
  lead: 'تعمل النماذج المفتوحة على أجهزة من يمدّون يد العون. لا يحدث شيء قبل أن توافق.',
  lend: 'مُدّ يد العون',
  chat: 'محادثة',
  about: 'ما هذا؟',
  lend_title: 'هل تعير هذا الجهاز؟',
  lend_1: 'يُنزَّل جزء من نموذج مفتوح، ويحسب به هذا الجهاز لأناس آخرين ما دامت هذه الصفحة مفتوحة.',
  lend_2: 'يستهلك طاقة وبعض البيانات والذاكرة: ‎{duty} ٪ من الوقت على الأكثر. يمكنك التوقف في أي لحظة فورًا.',
  lend_3: 'ترى الأجهزة التي يعمل معها عنوانه على الشبكة. لا يُحفظ شيء، ولا يعرف هذا الموقع سوى مقدار ما قُدّم.',
  chat_title: 'استخدام أجهزة غرباء؟',
  chat_1: 'يمر ما تكتبه بأجهزة أناس لا تعرفهم، ويمكنهم قراءته.',
  chat_2: 'عامله كمنتدى عام: لا أسماء ولا أسرار ولا شيء عن آخرين.',
  chat_3: 'ترى هذه الأجهزة عنوانك على الشبكة.',
  asks: 'يطلب ذلك {origin}.',
  yes: 'أوافق',
  no: 'ليس الآن',
  own_window: 'افتح في نافذة مستقلة',
  covered: 'قد يغطي شيء ما هذا السؤال، فلا يمكن الإجابة عنه هنا.',
  stop: 'توقف',
  loading: 'يُحمَّل جزء من نموذج',
  ready: 'جاهز وينتظر عملًا',
  working: 'يعمل لأجل أحدهم',
  paused: 'متوقف مؤقتًا',
  stopped: 'توقف. شكرًا لك.',
  elsewhere: 'يستمر في نافذته الخاصة.',
  blocked: 'لم يفتح المتصفح النافذة. اسمح بالنوافذ المنبثقة لهذا، أو افتح الصفحة بالرابط.',
  failed: 'لم ينجح ذلك: {why}',
  jobs: 'المهام',
  tokens: 'الرموز',
  data: 'البيانات المرسلة',
  message: 'اكتب رسالة',
  send: 'إرسال',
  strangers: 'تحسبه أجهزة غرباء: يمكنهم قراءته.',
};

const TABLES = { en: EN, es: ES, ar: AR };

/** The first of the wanted tags that there is a table for. */
export function choose(tags) {
  for (const tag of tags) {
    const language = String(tag).slice(0, 2).toLowerCase();
    if (Object.hasOwn(TABLES, language)) return { language, direction: language === 'ar' ? 'rtl' : 'ltr', words: TABLES[language] };
  }
  return { language: 'en', direction: 'ltr', words: EN };
}

/** Puts values into `{name}` places, once. */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (place, name) => (Object.hasOwn(values, name) ? String(values[name]) : place));
