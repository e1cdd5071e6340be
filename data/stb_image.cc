// The one place where stb_image is compiled: JPEG and PNG from memory. The Makefile says so by -D.
#include <stb/stb_image.h>
