// Whether a person can really see an element: by the browser's own account (IntersectionObserver, second version),
// whole, uncovered, untransformed and opaque, for half a second on end. It decides nothing.

const LONG_ENOUGH_MS = 500;

/** Watches `element`; `seen()` says whether it has been in plain view for long enough, up to now. */
export function watch(element, changed) {
  let since = null;
  let able = false;
  const observer = new IntersectionObserver(
    (entries) => {
      const entry = entries[entries.length - 1];
      // A browser without the second version says nothing about covers: then nobody has seen it.
      able = typeof entry.isVisible === 'boolean';
      const visible = able && entry.isVisible && entry.intersectionRatio >= 0.99;
      if (!visible) since = null;
      else since ??= performance.now();
      changed();
      if (visible) setTimeout(changed, LONG_ENOUGH_MS);
    },
    { threshold: [0, 0.5, 0.99, 1], trackVisibility: true, delay: 100 },
  );
  observer.observe(element);
  return {
    seen: () => since !== null && performance.now() - since >= LONG_ENOUGH_MS && document.visibilityState === 'visible',
    stop: () => observer.disconnect(),
  };
}
