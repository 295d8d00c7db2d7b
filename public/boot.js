// Runs before everything else: the page's one Trusted Types policy, its theme and language, and a sentence
// with a button where it cannot start or has failed. It keeps nothing and talks to nobody.
(() => {
  'use strict';

  // Leptos sets the innerHTML of templates for markup that is constant in our source. What passes here cannot
  // run anything: plain tags and attributes from a list, no handlers, no addresses. All else is refused.
  const TAGS = 'a|article|aside|b|br|circle|code|dd|div|dl|dt|ellipse|em|footer|g|h1|h2|h3|header|hr|i|kbd|legend|'
    + 'li|line|ol|option|p|path|polyline|rect|section|small|span|strong|svg|table|tbody|td|th|thead|tr|ul';
  const ATTRIBUTES = 'aria-[a-z]+|class|cx|cy|d|data-[a-z-]+|dir|fill|height|id|lang|points|r|role|rx|ry|scope|stroke|stroke-[a-z]+|'
    + 'tabindex|transform|translate|viewBox|width|x|x1|x2|y|y1|y2';
  const MARKUP = new RegExp(`^(?:[^<>]|<(?:${TAGS})(?: (?:${ATTRIBUTES})(?:="[^"<>]*")?)* ?/?>|</(?:${TAGS})>)*$`);
  const SCRIPTS = new Set(['/compute_loader.js', '/sw.js']);

  if (globalThis.trustedTypes) {
    trustedTypes.createPolicy('default', {
      createHTML: (markup) => {
        if (MARKUP.test(markup)) return markup;
        console.error(`refused as markup: ${markup.slice(0, 200)}`);
        return null;
      },
      createScriptURL: (address) => {
        const url = new URL(address, location.origin);
        return url.origin === location.origin && SCRIPTS.has(url.pathname) ? url.href : null;
      },
    });
  }

  const WORDS = {
    en: {
      starting: 'Starting…',
      old: 'This browser is too old for Manyhands: it lacks WebAssembly with SIMD. A current Firefox, Chrome, Edge or Safari has it.',
      failed: 'Something in this page broke. Nothing you saved is lost.',
      load: 'The app could not be loaded. Is the network there?',
      reload: 'Reload the page',
    },
    es: {
      starting: 'Iniciando…',
      old: 'Este navegador es demasiado antiguo para Manyhands: le falta WebAssembly con SIMD. Un Firefox, Chrome, Edge o Safari actual lo tiene.',
      failed: 'Algo se rompió en esta página. No se ha perdido nada de lo que guardaste.',
      load: 'No se pudo cargar la aplicación. ¿Hay conexión?',
      reload: 'Recargar la página',
    },
    ar: {
      starting: 'جارٍ البدء…',
      old: 'هذا المتصفح قديم جدًا: تنقصه WebAssembly مع SIMD. تتوفر في الإصدارات الحديثة من فايرفوكس وكروم وإيدج وسفاري.',
      failed: 'حدث عطل في هذه الصفحة. لم يضِع شيء مما حفظته.',
      load: 'تعذّر تحميل التطبيق. هل الشبكة متصلة؟',
      reload: 'إعادة تحميل الصفحة',
    },
  };

  const settings = (() => {
    try {
      return JSON.parse(localStorage.getItem('manyhands.settings')) ?? {};
    } catch {
      return {}; // Storage refused, or not ours.
    }
  })();
  const wanted = [settings.language, ...(navigator.languages ?? [])].filter((tag) => typeof tag === 'string');
  const language = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in WORDS) ?? 'en';
  const words = WORDS[language];
  const root = document.documentElement;
  root.lang = language;
  root.dir = language === 'ar' ? 'rtl' : 'ltr';
  if (settings.theme === 'light' || settings.theme === 'dark') root.dataset.theme = settings.theme;

  // i32x4.splat in a function: valid only where SIMD is.
  const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 17, 11]);
  const capable = typeof WebAssembly === 'object' && WebAssembly.validate(SIMD);

  let told = false;
  const tell = (sentence) => {
    if (told || !document.body) return;
    told = true;
    const panel = document.createElement('div');
    panel.className = 'fail';
    panel.setAttribute('role', 'alertdialog');
    panel.setAttribute('aria-modal', 'true');
    const box = document.createElement('div');
    box.className = 'fail-box';
    const text = document.createElement('p');
    text.id = 'fail-text';
    text.textContent = sentence;
    panel.setAttribute('aria-labelledby', text.id);
    const button = document.createElement('button');
    button.className = 'button primary';
    button.textContent = words.reload;
    button.addEventListener('click', () => location.reload());
    box.append(text, button);
    panel.append(box);
    document.getElementById('boot')?.remove();
    document.body.append(panel);
    button.focus();
  };

  const isOurs = (error) => error instanceof WebAssembly.RuntimeError;
  const started = () => !document.getElementById('boot');
  addEventListener('error', (event) => {
    if (event.target instanceof HTMLScriptElement && !started()) tell(words.load);
    else if (capable && isOurs(event.error)) tell(words.failed);
    else if (!started() && event.error) tell(words.load);
  }, true);
  addEventListener('unhandledrejection', (event) => {
    if (capable && isOurs(event.reason)) tell(words.failed);
    else if (!started()) tell(words.load);
  });

  addEventListener('DOMContentLoaded', () => {
    const text = document.getElementById('boot-text');
    if (!capable) tell(words.old);
    else if (text) text.textContent = words.starting;
  });

  // Offline use needs a worker; a page that was asked to keep nothing installs none.
  const keepsNothing = new URLSearchParams(location.search).get('storage') === 'memory';
  if ('serviceWorker' in navigator && isSecureContext && !keepsNothing) {
    addEventListener('load', () => {
      navigator.serviceWorker.register('/sw.js').catch((reason) => console.info(`no offline use: ${reason}`));
    });
  }

  // The browser's offer to put the page on the home screen may come before the app runs, which shows it in its place.
  addEventListener('beforeinstallprompt', (offer) => {
    offer.preventDefault();
    globalThis.manyhandsInstall = offer;
  });
  addEventListener('appinstalled', () => delete globalThis.manyhandsInstall);
})();
