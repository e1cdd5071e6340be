// ./explain -- shows how a part of Gradus computes, by running the part itself.
#include "run/explain/explain.h"

#include "run/guarded_main.h"

int main(int argc, char** argv) {
    return gradus::guarded_main(
        argc, argv, [](int count, char** words) { return gradus::run_explain(count, words); });
}
