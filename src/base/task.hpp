// Something to be done later: like std::function, but it is moved and never copied. So each kind of task costs the module one call and
// one destructor, and it may own what cannot be copied.
//
//     Task<void(Rows&)> step = [topic](Rows& rows) { … };
//     if (step) step(rows);
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace perdure {

template <class Signature>
class Task;

template <class R, class... A>
class Task<R(A...)> {
 public:
  Task() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Task>)
  // NOLINT: what can be called is a task
  Task(F&& run) : body_(new Of<std::remove_cvref_t<F>>(std::forward<F>(run))) {}
  explicit operator bool() const { return body_ != nullptr; }
  R operator()(A... with) const { return body_->run(std::forward<A>(with)...); }

 private:
  struct Body {
    virtual ~Body() = default;
    virtual R run(A... with) = 0;
  };
  template <class F>
  struct Of final : Body {
    explicit Of(F given) : f(std::move(given)) {}
    R run(A... with) override { return f(std::forward<A>(with)...); }
    F f;
  };
  std::unique_ptr<Body> body_;
};

}  // namespace perdure
