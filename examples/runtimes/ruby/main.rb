# Throws every error once and prints each as an event; the second run in another order, with other objects before.
require "json"
require_relative "shop"

RUN = ARGV.fetch(0)
START = RUN == "1" ? 10_000 : 900_000
KEPT = Array.new(RUN == "1" ? 0 : 5_000) { Object.new }

def exception(error)
  frames = error.backtrace_locations.to_a.first(8).map do |place|
    { file: place.path, line: place.lineno, function: place.label }
  end
  told = { type: error.class.name, value: error.message, frames: }
  told[:cause] = exception(error.cause) if error.cause
  told
end

def emit(name, how, body)
  body.call
rescue Exception => error # rubocop:disable Lint/RescueException
  event = { category: "Runtime", module: "shop", environment: "prod", detail: error.message }
  case how
  when :place then event.merge!(location: error.backtrace.first, exception: exception(error))
  when :frames then event.merge!(exception: exception(error))
  when :text then event.merge!(stacktrace: error.full_message(highlight: false, order: :top))
  when :backtrace then event.merge!(stacktrace: error.backtrace.join("\n"))
  end
  puts JSON.generate({ id: "#{name}/#{RUN}", event: })
else
  abort "#{name} did not fail"
end

order = Shop::Order.new(START + 1)
errors = [
  ["block-code", :place, -> { order.pay("PG-4011") }],
  ["block-other-code", :place, -> { order.pay("PG-5003") }],
  ["defined-method", :place, -> { order.ship }],
  ["lambda", :place, -> { Shop::DIVIDE.call(START) }],
  ["anonymous-class", :place, -> { Shop.draft.send_to(START) }],
  ["evaluated", :place, -> { Shop.rule(START) }],
  ["evaluated-anonymous", :place, -> { Shop.anonymous_rule(START) }],
  ["object", :frames, -> { Shop.missing(Object.new) }],
  ["no-name", :frames, -> { order.name }],
  ["no-city", :frames, -> { order.city }],
  ["json", :frames, -> { Shop.parse(START) }],
  ["no-file", :text, -> { Shop.bill(START) }],
  ["is-folder", :text, -> { Shop.bill_folder }],
  ["text-thread", :text, -> { Shop.in_thread(START) }],
  ["no-name as text", :text, -> { order.name }],
  ["text-cause", :text, -> { order.checkout }],
  ["text-other-cause", :text, -> { order.refund }],
  ["backtrace-block", :backtrace, -> { order.pay("PG-7000") }],
]
(RUN == "1" ? errors : errors.reverse).each { |name, how, body| emit(name, how, body) }
