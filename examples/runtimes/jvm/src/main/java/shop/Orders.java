package shop;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.FetchType;
import jakarta.persistence.Id;
import jakarta.persistence.ManyToOne;
import jakarta.persistence.Table;
import jakarta.persistence.UniqueConstraint;
import java.util.Optional;
import org.springframework.data.jpa.repository.JpaRepository;

/** A JPA repository: Spring makes a JDK proxy of it; of a public one in the package `jdk.proxy2`. */
public interface Orders extends JpaRepository<Order, Long> {
    Optional<Order> findByStatus(String status);

    Optional<Order> findByTotal(int total);
}

/** Not public, so its proxy is in this package. */
interface Customers extends JpaRepository<Customer, Long> {}

@Entity
@Table(name = "orders", uniqueConstraints = @UniqueConstraint(name = "uk_orders_number", columnNames = "number"))
class Order {
    @Id
    long id;

    String number;

    @Column(nullable = false)
    String status;

    int total;

    @ManyToOne(fetch = FetchType.LAZY)
    Customer customer;

    Order() {}

    Order(long id, String number, String status) {
        this.id = id;
        this.number = number;
        this.status = status;
        this.total = 100;
    }

    Customer getCustomer() {
        return customer;
    }
}

@Entity
class Customer {
    @Id
    long id;

    String name;

    Customer() {}

    Customer(long id) {
        this.id = id;
    }

    public String getName() {
        return name;
    }
}
