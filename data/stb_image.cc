// The only file that compiles stb_image: JPEG and PNG from memory. The Makefile sets its options by
// -D.
#include <stb/stb_image.h>
