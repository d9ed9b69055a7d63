package shop;

import com.fasterxml.jackson.databind.ObjectMapper;
import groovy.lang.GroovyShell;
import groovy.lang.Script;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.springframework.stereotype.Component;

/** The errors, each by its name. Numbers of orders differ between the runs, as they do between customers. */
@Component
class Errors {
    /** What is sent as location. */
    enum Place { ROOT_FRAME, FRAME, NAMED, NONE }

    interface Body {
        void run() throws Throwable;
    }

    record Case(String id, Place place, Supplier<String> where, boolean detailOfRoot, boolean asText, Body body) {}

    record Line(String name, int quantity) {}

    /** It numbers its scripts. */
    static final GroovyShell RULES = new GroovyShell();

    private final OrderService orderService;
    private final RefundService refundService;
    private final Orders orders;
    private final Customers customers;
    private final DataSource pool;
    private final List<Case> cases = new ArrayList<>();

    Errors(OrderService orderService, RefundService refundService, Orders orders, Customers customers, DataSource pool) {
        this.orderService = orderService;
        this.refundService = refundService;
        this.orders = orders;
        this.customers = customers;
        this.pool = pool;
    }

    private void frame(String id, Body body) {
        cases.add(new Case(id, Place.FRAME, null, false, false, body));
    }

    private void rootFrame(String id, Body body) {
        cases.add(new Case(id, Place.ROOT_FRAME, null, true, false, body));
    }

    private void at(String id, Supplier<String> where, Body body) {
        cases.add(new Case(id, Place.NAMED, where, true, false, body));
    }

    private void text(String id, Body body) {
        cases.add(new Case(id, Place.NONE, null, false, true, body));
    }

    // second: private final List<Runnable> more = List.of(() -> {}, () -> System.gc(), () -> cases.clear());

    List<Case> all(int from) {
        services(from);
        persistence(from);
        generated(from);
        messages(from);
        languages(from);
        texts(from);
        return cases;
    }

    private static String className(Object bean) {
        return bean.getClass().getName();
    }

    private void services(int from) {
        at("cglib-class", () -> className(orderService) + ".place", () -> orderService.place(from + 1));
        at("cglib-class-other-method", () -> className(orderService) + ".cancel", () -> orderService.cancel(from + 2));
        at("cglib-object", () -> orderService + ".close", () -> orderService.close(from + 3));
        at("aspect-object", () -> refundService + ".refund", () -> refundService.refund(from + 4));
        at("code-refused", () -> className(orderService) + ".pay", () -> orderService.pay(from + 5, "PG-4011"));
        at("code-expired", () -> className(orderService) + ".pay", () -> orderService.pay(from + 6, "PG-5003"));
        rootFrame("async", () -> refundService.refundLater(from + 7).get());
    }

    private void persistence(int from) {
        at("repository", () -> className(orders) + ".findByStatus", () -> {
            twoOrders(from);
            orders.findByStatus("open");
        });
        at("repository-other-method", () -> className(orders) + ".findByTotal", () -> {
            twoOrders(from);
            orders.findByTotal(100);
        });
        rootFrame("unique-key", () -> {
            orders.deleteAll();
            orderService.store(new Order(from + 12, "C-" + from, "open"));
            orderService.store(new Order(from + 13, "C-" + from, "open"));
        });
        rootFrame("not-null", () -> orderService.store(new Order(from + 14, "D-" + from, null)));
        at("lazy-proxy", () -> className(lazy(from)) + ".getName", () -> lazy(from).getName());
        frame("pool", () -> {
            var taken = new ArrayList<Connection>();
            try {
                while (true) {
                    taken.add(pool.getConnection());
                }
            } finally {
                for (var connection : taken) {
                    connection.close();
                }
            }
        });
    }

    private void twoOrders(int from) {
        orders.deleteAll();
        orders.save(new Order(from + 10, "A-" + from, "open"));
        orders.save(new Order(from + 11, "B-" + from, "open"));
    }

    private Customer lazy(int from) {
        customers.save(new Customer(from + 20));
        return customers.getReferenceById((long) from + 20);
    }

    private void generated(int from) {
        Consumer<Integer> divide = number -> Basket.check(List.of(number % 1 + 1, number));
        at("lambda-class", () -> className(divide) + ".accept", () -> divide.accept(0));
        // second: Runnable another = () -> stop();
        Runnable reference = this::stop;
        at("lambda-object", () -> String.valueOf(reference), reference::run);
        frame("lambda-body", () -> Basket.total(List.of(3, 0)));
        frame("lambda-body-other-method", () -> Basket.average(List.of(3, 0)));
        frame("jdk-proxy-frame", () -> gateway("card " + from).pay("1"));
        at("jdk-proxy-object", () -> className(gateway("")) + "@" + Integer.toHexString(gateway("").hashCode()),
                () -> gateway("bill " + from).pay("1"));
        rootFrame("accessor", () -> {
            var method = Basket.class.getDeclaredMethod("total", List.class);
            for (int i = 0; i < 40; i++) {
                method.invoke(null, List.of(1));
            }
            method.invoke(null, "no list");
        });
        rootFrame("accessor-target", () -> {
            var method = Errors.class.getDeclaredMethod("refuse", int.class);
            for (int i = 0; i < 40; i++) {
                method.invoke(null, 0);
            }
            method.invoke(null, from);
        });
        var anonymous = new Object() {
            void run() {
                throw new UnsupportedOperationException("run of " + this);
            }
        };
        at("anonymous-class", () -> anonymous.toString(), anonymous::run);
    }

    private void stop() {
        throw new IllegalStateException("stopped by " + Thread.currentThread().getName());
    }

    static void refuse(int number) {
        if (number > 0) {
            throw new IllegalStateException("order " + number + " refused");
        }
    }

    private static Gateway gateway(String what) {
        return (Gateway) Proxy.newProxyInstance(
                Errors.class.getClassLoader(), new Class<?>[] {Gateway.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("hashCode")) {
                        return System.identityHashCode(proxy);
                    }
                    throw new Exception(what + " was not accepted");
                });
    }

    private void messages(int from) {
        frame("null-customer", () -> new Order(from, "E", "open").getCustomer().getName());
        frame("null-number", () -> new Order(from, null, "open").number.length());
        frame("identity-hashes", () -> Basket.check(List.of(new Cart(), new Cart())));
        frame("class-loader", () -> {
            URL classes = Errors.class.getProtectionDomain().getCodeSource().getLocation();
            var loader = new URLClassLoader(new URL[] {classes}, null);
            var constructor = loader.loadClass("shop.Cart").getDeclaredConstructor();
            constructor.setAccessible(true);
            var cart = (Cart) constructor.newInstance();
        });
        frame("json-unknown-field", () -> new ObjectMapper()
                .readValue("{\"name\":\"" + from + "\",\"price\":" + from + "}", Line.class));
        frame("json-wrong-type", () -> new ObjectMapper()
                .readValue("{\"name\":\"" + from + "\",\"quantity\":\"x" + from + "\"}", Line.class));
    }

    private void languages(int from) {
        at("groovy-script-class", () -> className(script(from)) + ".run", () -> script(from).run());
        frame("groovy-script", () -> RULES.evaluate("throw new IllegalStateException('no rule for ' + " + from + ")"));
        frame("groovy-closure", () -> RULES.evaluate("[1].each { it / 0 }"));
        rootFrame("kotlin-suspend", () -> new Stock().reserve(from));
        frame("kotlin-cancelled", () -> new Stock().cancelled());
        frame("kotlin-lambda", () -> new Stock().sums(List.of(from)));
        frame("kotlin-companion", () -> Stock.Companion.of("item " + from, from));
    }

    private static Script script(int from) {
        return RULES.parse("def rules = [:]\nrules.call(" + from + ")");
    }

    private void texts(int from) {
        text("text-cause", () -> {
            try {
                orderService.place(from + 30);
            } catch (IllegalStateException locked) {
                throw new RuntimeException("checkout of " + from + " failed", locked);
            }
        });
        text("text-cause-other", () -> {
            try {
                orderService.cancel(from + 31);
            } catch (IllegalStateException locked) {
                throw new RuntimeException("checkout of " + from + " failed", locked);
            }
        });
        text("lambda-body as text", () -> Basket.total(List.of(3, 0)));
        text("text-driver", () -> {
            new Bills(pool).issue("A-" + from);
            new Bills(pool).issue("A-" + from);
        });
        text("text-driver-elsewhere", () -> {
            new Bills(pool).issue("B-" + from);
            new Bills(pool).copy("B-" + from);
        });
        text("text-suppressed", () -> {
            var failure = new IOException("cannot send bill " + from);
            failure.addSuppressed(new IllegalStateException("and could not close " + new Cart()));
            throw failure;
        });
    }
}
