// ./deploy -- a finished run in integers: layer by layer, and as golden vectors for others.
#include "run/deploy/deploy.h"

#include "run/deploy/options.h"
#include "run/guarded_main.h"

int main(int argc, char** argv) {
    return gradus::guarded_main(argc, argv, [](int count, char** arguments) {
        return gradus::run_deploy(gradus::parse_deploy(count, arguments));
    });
}
