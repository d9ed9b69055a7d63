package shop;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.slf4j.LoggerFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.EnableAspectJAutoProxy;
import org.springframework.scheduling.annotation.EnableAsync;

/**
 * Throws every error of {@link Errors} once and prints each as an event. The second run does so in another order, after
 * other classes were made at run time, so that whatever the virtual machine numbers gets other numbers.
 */
@SpringBootApplication
@EnableAsync
@EnableAspectJAutoProxy(proxyTargetClass = true)
public class Main {
    public static void main(String[] arguments) throws Exception {
        ((Logger) LoggerFactory.getLogger("ROOT")).setLevel(Level.OFF);
        boolean second = arguments[0].equals("2");
        if (second) {
            Noise.make();
        }
        var application = new SpringApplication(Main.class);
        application.setDefaultProperties(Map.of(
                "spring.main.banner-mode", "off",
                "spring.jpa.open-in-view", "false",
                "spring.jpa.hibernate.ddl-auto", "create",
                "spring.datasource.hikari.maximum-pool-size", second ? "3" : "2",
                "spring.datasource.hikari.connection-timeout", "250",
                "spring.main.lazy-initialization", second ? "true" : "false",
                "logging.level.root", "off"));
        try (var context = application.run()) {
            List<Errors.Case> cases = new ArrayList<>(context.getBean(Errors.class).all(second ? 900_000 : 10_000));
            if (second) {
                Collections.reverse(cases);
            }
            for (var one : cases) {
                System.out.println(Report.line(one, arguments[0]));
            }
        }
    }
}
