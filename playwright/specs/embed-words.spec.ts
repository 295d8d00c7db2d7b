// The two tables of words outside the app, of the embed and of the page that cannot start: whole in every language of
// the app, with the same places for values.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@playwright/test';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCE = (path: string) => readFileSync(join(ROOT, path), 'utf8');
/** Words that are the same in English and in another language. */
const SHARED = new Set(['es tokens']);

type Tables = Record<string, Record<string, string>>;

/** The languages of the app: one file each. */
const LANGUAGES = readdirSync(join(ROOT, 'app/src/i18n')).map((file) => /^([a-z]{2})\.rs$/.exec(file)?.[1]).filter((tag) => tag !== undefined).sort();

/** An object of plain text that stands in a script, from its name to the end of the statement. */
function table(script: string, name: string): unknown {
  const literal = new RegExp(`^ *const ${name} = (\\{[\\s\\S]*?^ *\\});$`, 'm').exec(script)?.[1];
  if (literal === undefined) throw new Error(`${name} is not in the script`);
  return new Function(`return ${literal}`)();
}

const embed = SOURCE('public/embed/words.js');
const TABLES: Record<string, Tables> = {
  embed: Object.fromEntries(LANGUAGES.map((tag) => [tag, table(embed, tag.toUpperCase()) as Record<string, string>])),
  boot: table(SOURCE('public/boot.js'), 'WORDS') as Tables,
};

for (const [name, tables] of Object.entries(TABLES)) {
  test(`the words of ${name} are there in every language of the app, none left in English`, () => {
    expect(LANGUAGES).toEqual(['ar', 'en', 'es']);
    expect(Object.keys(tables).sort()).toEqual(LANGUAGES);
    const { en, ...others } = tables as { en: Record<string, string> };
    const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
    for (const [tag, words] of Object.entries(others as Tables)) {
      expect(Object.keys(words), `${name}, ${tag}`).toEqual(Object.keys(en));
      for (const [key, text] of Object.entries(words)) {
        expect(text.trim(), `${name}, ${tag}: ${key}`).not.toBe('');
        expect(places(text), `${name}, ${tag}: ${key}`).toEqual(places(en[key]!));
        if (!SHARED.has(`${tag} ${key}`)) expect(text, `${name}, ${tag}: ${key}`).not.toBe(en[key]);
      }
    }
  });
}

test('every word that the scripts ask for is in the tables', () => {
  const asked = (script: string, name: string) => new Set([...script.matchAll(new RegExp(`\\b${name}\\.([a-z_0-9]+)\\b`, 'g'))].map(([, key]) => key!));
  const frame = asked(SOURCE('public/embed/frame.js'), 't');
  expect(frame.size).toBeGreaterThan(20);
  for (const key of frame) expect(Object.keys(TABLES['embed']!['en']!), `embed: ${key}`).toContain(key);
  for (const key of asked(SOURCE('public/boot.js'), 'words')) expect(Object.keys(TABLES['boot']!['en']!), `boot: ${key}`).toContain(key);
});
