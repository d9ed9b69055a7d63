package shop;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.sql.DataSource;
import org.aspectj.lang.ProceedingJoinPoint;
import org.aspectj.lang.annotation.Around;
import org.aspectj.lang.annotation.Aspect;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.scheduling.annotation.Async;
import org.springframework.stereotype.Component;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

/** CGLIB makes a subclass of it, for the transactions and for the aspect. */
@Service
class OrderService {
    private final Orders orders;

    OrderService(Orders orders) {
        this.orders = orders;
    }

    @Transactional
    public void place(long number) {
        throw new IllegalStateException("order " + number + " is locked by " + new Cart());
    }

    @Transactional
    public void cancel(long number) {
        throw new IllegalStateException("order " + number + " is locked by " + new Cart());
    }

    @Transactional
    public void close(long number) {
        throw new IllegalStateException("order " + number + " has no bill");
    }

    @Transactional
    public void pay(long number, String code) {
        throw new PaymentException(code + ": card refused for order " + number);
    }

    @Transactional
    public void store(Order order) {
        orders.saveAndFlush(order);
    }
}

/** An aspect around it, and no transaction. */
@Service
class RefundService {
    public void refund(long number) {
        throw new IllegalStateException("order " + number + " is locked by " + new Cart());
    }

    @Async
    public CompletableFuture<Void> refundLater(long number) {
        throw new IllegalStateException("refund of order " + number + " failed in " + Thread.currentThread());
    }
}

@Aspect
@Component
class Audit {
    @Around("execution(* shop.RefundService.refund(..))")
    Object around(ProceedingJoinPoint point) throws Throwable {
        return point.proceed();
    }
}

/** The driver's exception has only frames of the driver before those that it shares with Spring's. */
class Bills {
    private final JdbcTemplate database;

    Bills(DataSource pool) {
        database = new JdbcTemplate(pool);
        database.execute("create table if not exists bills (number varchar(20) constraint uk_bills unique)");
    }

    void issue(String number) {
        database.update("insert into bills values (?)", number);
    }

    void copy(String number) {
        database.update("insert into bills values (?)", number);
    }
}

class PaymentException extends RuntimeException {
    PaymentException(String message) {
        super(message);
    }
}

class Cart {}

class Basket {
    /** The message names objects by their identity hashes. */
    static void check(List<Object> items) {
        throw new IllegalArgumentException("cannot add up " + items + " of " + new byte[3]);
    }

    // second: static final java.util.function.IntSupplier NONE = () -> 0;

    static int total(List<Integer> prices) {
        return prices.stream().mapToInt(price -> 100 / price).sum();
    }

    // second: static int count(List<Integer> prices) { return (int) prices.stream().filter(price -> price > 0).count(); }

    static int average(List<Integer> prices) {
        return prices.stream().mapToInt(price -> price / 0).sum();
    }
}

interface Gateway {
    void pay(String card) throws java.io.IOException;
}
