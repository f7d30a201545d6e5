# SPDX-License-Identifier: MIT
# Sidekiq. Its open-source fetch takes a job off the list before it runs: what
# a worker holds when it dies is lost, and nothing is acknowledged.
require "json"
require "sidekiq"
require "sidekiq/cli"
require "sidekiq/launcher"

PAYLOAD_CHARS = 96 # 100 bytes as ["..."]
CHUNK = 1000
CONCURRENCY = 5
ADDRESS, WHAT = ARGV
TASKS = Integer(ARGV[2])
RATE = Float(ARGV[3] || 0)

$stdout.sync = true
Sidekiq.logger.level = Logger::FATAL
redis = {path: ADDRESS, url: nil, driver: :hiredis}
Sidekiq.configure_client { |config| config.redis = redis }
Sidekiq.configure_server { |config| config.redis = redis }

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

def payload(stamp = nil)
  (stamp ? format("%020d", stamp) : "").ljust(PAYLOAD_CHARS, "x")
end

def answer(seconds, more = {})
  puts JSON.generate({tasks: TASKS, seconds: seconds}.merge(more))
end

# The handler's part; handlers run on several threads.
class Count
  def initialize
    @lock = Mutex.new
    @n = 0
    @late_ms = []
    @done = Thread::Queue.new
  end

  def wait
    @done.pop
  end

  def take(text)
    at = now
    @lock.synchronize do
      @start = at if @n.zero?
      @late_ms << (at - text[0, 20].to_i) / 1e6 if WHAT == "listen"
      @n += 1
      next if @n < TASKS
      answer((now - @start) / 1e9, late_ms: @late_ms)
      @done << true
    end
  end
end

COUNT = Count.new

class Noop
  include Sidekiq::Worker
  sidekiq_options queue: "bench", retry: false

  def perform(text)
    COUNT.take(text)
  end
end

def work
  options = Sidekiq.options.merge(
    queues: ["bench"], concurrency: CONCURRENCY, timeout: 1)
  launcher = Sidekiq::Launcher.new(options)
  puts "ready"
  $stdin.gets
  launcher.run
  COUNT.wait
  exit!(0) # nothing to give back
end

def queue_all
  start = now
  left = TASKS
  while left.positive?
    n = [CHUNK, left].min
    Sidekiq::Client.push_bulk(
      "class" => Noop, "args" => Array.new(n) { [payload] })
    left -= n
  end
  answer((now - start) / 1e9)
end

def send_all
  start = now + 200_000_000
  TASKS.times do |i|
    at = start + (i * 1e9 / RATE).round
    left = at - now
    sleep(left / 1e9) if left.positive?
    Noop.perform_async(payload(at))
  end
  answer((now - start) / 1e9)
end

case WHAT
when "queue" then queue_all
when "send" then send_all
else work
end
