#include "run/train/load_network.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>

#include "io/safetensors.h"
#include "io/weight_layout.h"
#include "models/weight_names.h"
#include "run/shell_word.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using Names = std::map<std::string, std::string>;

// ---- matching names ----------------------------------------------------------------------------

// Prefixes of wrappers, removed wherever they stand in a name.
constexpr std::array kWrappers{"module.", "_orig_mod."};

std::string unwrapped(std::string name, std::set<std::string>* removed) {
    for (const char* wrapper : kWrappers) {
        const std::string segment = wrapper;
        for (size_t at = name.find(segment); at != std::string::npos; at = name.find(segment, at)) {
            if (at > 0 && name[at - 1] != '.') {
                ++at;
                continue;
            }
            name.erase(at, segment.size());
            removed->insert(segment);
        }
    }
    return name;
}

bool ends_a_name(const std::string& theirs, const std::string& name) {
    return theirs == name || theirs.ends_with("." + name);
}

struct Match {
    const NamingScheme* scheme = nullptr;
    Names names;  // from ours to those in the file
    std::set<std::string> prefixes;
    std::vector<std::string> rivals;  // two or more prefixes that each hold the whole network
    std::string prefix;               // the one that most names have
};

class NameMatcher {
  public:
    NameMatcher(const SafetensorsFile& file, const ParameterList& parameters)
        : parameters_(parameters) {
        for (const auto& entry : file.tensors) add(entry.first);
        for (const auto& entry : file.unreadable) add(entry.first);
    }

    // Takes the scheme that matches most names unchanged; removes prefixes only if all then match.
    Match best() const {
        Match best;
        for (const NamingScheme& scheme : naming_schemes()) {
            const Match match = below("", scheme, names_in(scheme, parameters_));
            if (!best.scheme || match.names.size() > best.names.size()) best = match;
        }
        if (whole(best)) return best;
        for (const NamingScheme& scheme : naming_schemes()) {
            const Match match = with_prefixes(scheme);
            if (whole(match) || match.rivals.size() > 1) return match;
            const bool most = 2 * match.names.size() > parameters_.size();
            if (most && match.names.size() > best.names.size()) best = match;
        }
        return best;
    }

    bool whole(const Match& match) const { return match.names.size() == parameters_.size(); }

  private:
    void add(const std::string& theirs) {
        std::set<std::string> removed;
        const auto [entry, fresh] = bare_.try_emplace(unwrapped(theirs, &removed), theirs);
        if (!fresh && removed.empty()) entry->second = theirs;
    }

    Match below(const std::string& prefix, const NamingScheme& scheme, const Names& wanted) const {
        Match match{&scheme, {}, {}, {}, ""};
        for (const auto& [ours, name] : wanted) {
            const auto found = bare_.find(prefix + name);
            if (found != bare_.end()) take(match, ours, name, found->first);
        }
        return match;
    }

    void take(Match& match, const std::string& ours, const std::string& name,
              const std::string& bare) const {
        match.names[ours] = bare_.at(bare);
        unwrapped(bare_.at(bare), &match.prefixes);
        if (bare.size() > name.size()) {
            match.prefixes.insert(bare.substr(0, bare.size() - name.size()));
        }
    }

    // Removes the prefix that most names have; matches the rest by a suffix that only one tensor
    // has.
    Match with_prefixes(const NamingScheme& scheme) const {
        const Names wanted = names_in(scheme, parameters_);
        std::map<std::string, size_t> counts;
        for (const auto& [bare, theirs] : bare_) {
            for (const auto& [ours, name] : wanted) {
                if (ends_a_name(bare, name)) ++counts[bare.substr(0, bare.size() - name.size())];
            }
        }
        const auto most =
            std::max_element(counts.begin(), counts.end(),
                             [](const auto& a, const auto& b) { return a.second < b.second; });
        if (most == counts.end()) return {&scheme, {}, {}, {}, ""};
        Match match = below(most->first, scheme, wanted);
        match.prefix = most->first;
        for (const auto& [prefix, count] : counts) {
            if (count == wanted.size()) match.rivals.push_back(prefix);
        }
        for (const auto& [ours, name] : wanted) {
            if (match.names.count(ours)) continue;
            std::vector<std::string> ends;
            for (const auto& [bare, theirs] : bare_) {
                if (ends_a_name(bare, name)) ends.push_back(bare);
            }
            if (ends.size() == 1) take(match, ours, name, ends[0]);
        }
        return match;
    }

    const ParameterList& parameters_;
    Names bare_;  // names without wrappers, to the names in the file
};

// ---- messages ----------------------------------------------------------------------------------

std::string list_text(const std::vector<std::string>& words) {
    std::string text;
    for (size_t i = 0; i < words.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
    }
    return text;
}

std::string scheme_list() {
    std::vector<std::string> names;
    for (const NamingScheme& scheme : naming_schemes()) names.emplace_back(scheme.name);
    return list_text(names);
}

void refuse_pytorch(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string start(256, '\0');
    file.read(start.data(), static_cast<std::streamsize>(start.size()));
    start.resize(static_cast<size_t>(file.gcount()));
    const bool zip = start.starts_with("PK\3\4") && start.find("data.pkl") != std::string::npos;
    const bool pickle = start.size() > 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5;
    std::string output = path.substr(path.rfind('/') + 1);
    output = output.substr(0, output.rfind('.')) + ".safetensors";
    check_kind(!zip && !pickle, ErrorKind::data, path, ": is a PyTorch checkpoint",
               zip ? "" : " in the format before 1.6", "; scripts/convert_weights.py ",
               shell_word(path), ' ', shell_word(output), " converts it");
}

void refuse_unmatched(const std::string& path, const Match& match,
                      const ParameterList& parameters) {
    check_kind(match.rivals.size() < 2, ErrorKind::usage, path, ": holds the network more than ",
               "once, below ", list_text(match.rivals), "; scripts/convert_weights.py --prefix ",
               match.rivals.size() < 2 ? "" : match.rivals[0], " takes one of them");
    check_kind(!match.names.empty(), ErrorKind::usage, path, ": has no tensor ",
               parameters.at(0)->name, " by any naming scheme that is known (", scheme_list(),
               "); it is the checkpoint of another model (see --model, --stem)");
    const auto missing = std::find_if(parameters.begin(), parameters.end(),
                                      [&](const auto& p) { return !match.names.count(p->name); });
    check_kind(missing == parameters.end() || match.prefix.empty(), ErrorKind::usage, path,
               ": has ", match.names.size(), " of ", parameters.size(), " tensors, most below ",
               match.prefix, ", but no ", missing == parameters.end() ? "" : (*missing)->name,
               "; it is the checkpoint of another model (see --model, --stem)");
}

Shape file_shape(const Parameter& parameter) {
    return filters_to_file(parameter.value).shape();
}

// Refuses weights of the same network for other images or classes: the first convolution shows the
// channels, the last layer the classes.
void refuse_other_data(const std::string& path, const std::map<std::string, Tensor>& tensors,
                       const ParameterList& parameters) {
    const Parameter *first = nullptr, *last = nullptr;
    for (const auto& p : parameters) {
        if (!first && p->value.shape().rank() == 4) first = p.get();
        if (p->value.shape().rank() == 2) last = p.get();
    }
    if (!first || !last || !tensors.count(first->name) || !tensors.count(last->name)) return;
    const Shape stem = tensors.at(first->name).shape(), head = tensors.at(last->name).shape();
    const Shape our_stem = file_shape(*first), our_head = file_shape(*last);
    const bool same_stem = stem.rank() == 4 && stem[0] == our_stem[0] && stem[2] == our_stem[2] &&
                           stem[3] == our_stem[3];
    if (!same_stem || head.rank() != 2 || head[1] != our_head[1]) return;
    const bool channels = stem[1] != our_stem[1], classes = head[0] != our_head[0];
    const std::string remedy = channels ? join("; give images of ", stem[1], " channels")
                               : head[0] > our_head[0]
                                   ? join("; --num-classes ", head[0], " makes room for them")
                                   : "; give weights of as many classes";
    check_kind(!channels && !classes, ErrorKind::usage, path, ": these weights are for ", stem[1],
               " channel", stem[1] == 1 ? "" : "s", " and ", head[0], " classes, the network here ",
               "for ", our_stem[1], " and ", our_head[0], remedy);
}

void refuse_damaged(const std::string& path, const ParameterList& parameters) {
    for (const auto& parameter : parameters) {
        const bool variance = parameter->name.ends_with("running_var");
        const float* x = parameter->value.data<float>();
        const float* end = x + parameter->value.numel();
        const float* bad = std::find_if(
            x, end, [&](float v) { return !std::isfinite(v) || (variance && v < 0.0f); });
        check_kind(bad == end, ErrorKind::data, path, ": ", parameter->name, " has the value ",
                   bad == end ? 0.0f : *bad, "; its training diverged or the file is damaged");
    }
}

// "bn1.num_batches_tracked" stands next to "bn1.running_mean".
std::string with_mean(const std::string& step_counter) {
    return step_counter.substr(0, step_counter.rfind('.') + 1) + "running_mean";
}

WeightsMatch counted(const SafetensorsFile& file, const Match& match) {
    std::set<std::string> read;
    for (const auto& [ours, theirs] : match.names) read.insert(theirs);
    WeightsMatch result{match.scheme->name, read.size(),
                        file.tensors.size() + file.unreadable.size(), "", match.prefixes};
    const auto leave = [&](const std::string& name) {
        if (is_step_counter(name) && read.count(with_mean(name))) {
            ++result.matched;
        } else if (result.left_out.empty() && !read.count(name)) {
            result.left_out = name;
        }
    };
    for (const auto& entry : file.tensors) leave(entry.first);
    for (const auto& entry : file.unreadable) leave(entry.first);
    return result;
}

}  // namespace

std::string WeightsMatch::text() const {
    std::string text = join(matched, " of ", tensors, " tensors matched by ", scheme, " names");
    if (!prefixes.empty()) {
        text += join(", without the prefix", prefixes.size() > 1 ? "es " : " ",
                     list_text({prefixes.begin(), prefixes.end()}));
    }
    if (!left_out.empty())
        text += "; left out: " + left_out + (tensors - matched > 1 ? ", ..." : "");
    return text;
}

WeightsMatch load_network(const std::string& path, const ParameterList& parameters) {
    refuse_pytorch(path);
    const SafetensorsFile file = load_safetensors(path);
    const NameMatcher matcher(file, parameters);
    const Match match = matcher.best();
    refuse_unmatched(path, match, parameters);
    std::map<std::string, Tensor> tensors;
    for (const auto& [ours, theirs] : match.names) {
        const auto unreadable = file.unreadable.find(theirs);
        check_kind(unreadable == file.unreadable.end(), ErrorKind::data, path, ": ", theirs, " is ",
                   unreadable == file.unreadable.end() ? "" : unreadable->second,
                   ", the network needs F32; scripts/convert_weights.py ", shell_word(path),
                   " OUT.safetensors converts it");
        tensors[ours] = file.tensors.at(theirs);
    }
    if (matcher.whole(match)) refuse_other_data(path, tensors, parameters);
    import_parameters(path, tensors, parameters);
    refuse_damaged(path, parameters);
    return counted(file, match);
}

}  // namespace gradus
