// Asks again and again, not too often.
#include "probes/stream/goroutine_questions.h"

namespace netpoll::probes {
namespace {

using std::chrono::steady_clock;

constexpr auto kEvery = std::chrono::milliseconds(10);

}  // namespace

void GoroutineQuestions::ask(GoroutineNames& goroutines,
                             const std::function<void(std::uint32_t tgid, const CurrentG&)>& found) {
  if (questions_.empty() || steady_clock::now() < next_) return;
  next_ = steady_clock::now() + kEvery;
  std::erase_if(questions_, [&](Question& question) {
    if (goroutines.look_at(question.pid) == GoroutineNames::Kind::kNotYet) return --question.times_left <= 0;
    if (const auto current = goroutines.current_g(question.pid)) found(question.tgid, *current);
    return true;
  });
}

}  // namespace netpoll::probes
