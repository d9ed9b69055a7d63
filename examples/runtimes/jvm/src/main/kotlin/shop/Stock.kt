package shop

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

/** What Kotlin makes classes of: suspending functions, lambdas, companions, default arguments. */
class Stock {
    // second: fun more() = runBlocking { withContext(Dispatchers.IO) { delay(1) } }

    fun reserve(count: Int) = runBlocking {
        withContext(Dispatchers.Default) {
            delay(1)
            check(count < 0) { "cannot reserve $count of item ${count % 97}" }
        }
    }

    fun cancelled() {
        val scope = CoroutineScope(Job())
        scope.cancel()
        try {
            scope.ensureActive()
        } catch (cancelled: CancellationException) {
            throw IllegalStateException("not counted: $cancelled, nor ${List(9) { Job() }}")
        }
    }

    fun sums(counts: List<Int>) = counts.map { count -> 10 / (count - count) }

    companion object {
        fun of(name: String, count: Int = 7): Stock = throw NoSuchElementException("no stock of $name, $count wanted")
    }
}
