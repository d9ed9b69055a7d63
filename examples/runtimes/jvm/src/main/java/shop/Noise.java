package shop;

import com.zaxxer.hikari.HikariDataSource;
import java.lang.reflect.Proxy;
import java.util.function.IntSupplier;
import org.springframework.cglib.proxy.Enhancer;
import org.springframework.cglib.proxy.NoOp;

/** What another deployment might have loaded before: proxies, lambdas, scripts, accessors, hashes. */
final class Noise {
    static int sink;

    static void make() throws Exception {
        Class<?>[] interfaces = {Runnable.class, Comparable.class, CharSequence.class, Iterable.class, Readable.class};
        for (var one : interfaces) {
            sink += Proxy.newProxyInstance(Noise.class.getClassLoader(), new Class<?>[] {one}, (p, m, a) -> 7).hashCode();
        }
        sink += Enhancer.create(Basket.class, NoOp.INSTANCE).hashCode();
        IntSupplier[] lambdas = {() -> 1, () -> 2, () -> 3, Noise::two, () -> sink};
        for (var lambda : lambdas) {
            sink += lambda.getAsInt() + System.identityHashCode(lambda);
        }
        for (int i = 0; i < 3; i++) {
            Errors.RULES.evaluate("[1, 2].each { it + " + i + " }");
        }
        for (int i = 0; i < 2; i++) {
            var pool = new HikariDataSource();
            pool.setJdbcUrl("jdbc:h2:mem:noise");
            pool.getConnection().close();
            pool.close();
        }
        var method = Noise.class.getDeclaredMethod("two");
        for (int i = 0; i < 40; i++) {
            sink += (int) method.invoke(null);
        }
    }

    static int two() {
        return 2;
    }
}
