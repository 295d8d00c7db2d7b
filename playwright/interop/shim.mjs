// What js-libp2p 3 expects of Node.js 22 and Node.js 20 lacks. WebSocket comes by a flag.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
};
