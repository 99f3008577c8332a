#include "services/turns.h"

#include <sched.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

namespace denier::services {
namespace {

// Nice values stay.
bool SetPolicy(pid_t thread, int policy) {
  const sched_param no_priority{};
  return sched_setscheduler(thread, policy, &no_priority) == 0;
}

// Of every thread of this process. One that ends meanwhile needs none, one that begins has that of
// the thread which starts it.
void SetPolicyOfAll(int policy) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    const std::string name = entry.path().filename();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    SetPolicy(thread, policy);
  }
}

}  // namespace

bool TakeTurns() { return SetPolicy(0, SCHED_BATCH); }

NoTurns::NoTurns() : were_taken_(sched_getscheduler(0) == SCHED_BATCH) {
  if (were_taken_) SetPolicyOfAll(SCHED_OTHER);
}
NoTurns::~NoTurns() {
  if (were_taken_) SetPolicyOfAll(SCHED_BATCH);
}

}  // namespace denier::services
