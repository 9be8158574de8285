// libsodium's own source of entropy in WebAssembly is JavaScript text with a require() in it, which needs Node and does not
// survive a bundler. Every file of libsodium is compiled with this instead: the C library's getentropy, which is
// crypto.getRandomValues in pages, workers and Node. The core draws from its seed and links none of it.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int getentropy(void *out, size_t size);  // not <unistd.h>: its encrypt() collides with names in libsodium

static inline void arc4random_buf(void *out, size_t size) {
  unsigned char *at = (unsigned char *)out;
  while (size > 0) {
    const size_t piece = size < 256 ? size : 256;  // getentropy gives no more at once
    if (getentropy(at, piece) != 0) abort();
    at += piece;
    size -= piece;
  }
}

static inline uint32_t arc4random(void) {
  uint32_t number;
  arc4random_buf(&number, sizeof number);
  return number;
}
