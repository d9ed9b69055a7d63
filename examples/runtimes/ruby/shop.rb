# The shop's own code: blocks, lambdas, methods made at run time, anonymous classes.
require "json"
require "set"
require "tmpdir"

module Shop
  class PaymentError < StandardError; end

  class Order
    attr_reader :number

    def initialize(number)
      @number = number
    end

    def pay(code)
      [1].each { |_| 1.times { raise PaymentError, "#{code}: card refused for order #{number}" } }
    end

    define_method(:ship) { raise ArgumentError, "cannot ship #{inspect}" }

    def name
      nil.name
    end

    def city
      nil.city
    end

    def checkout
      name
    rescue NoMethodError
      raise PaymentError, "checkout of #{number} failed"
    end

    def refund
      city
    rescue NoMethodError
      raise PaymentError, "checkout of #{number} failed"
    end
  end

  DIVIDE = ->(price) { price / 0 }

  def self.draft
    Class.new { def send_to(number) = raise(LoadError, "no address of #{self.class} for #{number}") }.new
  end

  def self.rule(number)
    # Named as Ruby's own shells name what they run: `(irb#1)`.
    eval("raise 'rule #{number} failed'", binding, "(rule##{number})", 1)
  end

  def self.anonymous_rule(number)
    eval("raise 'rule #{number} failed'")
  end

  def self.missing(object)
    object.price
  end

  def self.bill(number)
    File.read(File.join(Dir.mktmpdir, "#{number}.pdf"))
  end

  def self.bill_folder
    File.read(Dir.mktmpdir)
  end

  def self.parse(number)
    JSON.parse(%({"number": #{number}, "price": x}))
  end

  def self.in_thread(number)
    Thread.new do
      Thread.current.report_on_exception = false
      raise "order #{number} failed in #{Thread.current.inspect}"
    end.join
  end
end
