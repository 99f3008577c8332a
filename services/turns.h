// How the threads of a server share the processors.
#ifndef DENIER_SERVICES_TURNS_H_
#define DENIER_SERVICES_TURNS_H_

namespace denier::services {

// From here on a thread that is woken waits for its turn (SCHED_BATCH), instead of taking the
// processor from the one that woke it, often to wait at once for a lock that the other holds. Of
// the calling thread and of those that it starts. False: the system does not allow it.
bool TakeTurns();

// While one lives in a process that takes turns, a thread that is woken may take the processor:
// work of a lower priority would keep it for milliseconds otherwise. Any thread; one at a time.
class NoTurns {
 public:
  NoTurns();
  ~NoTurns();
  NoTurns(const NoTurns&) = delete;
  NoTurns& operator=(const NoTurns&) = delete;

 private:
  const bool were_taken_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_TURNS_H_
