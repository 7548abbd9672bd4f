import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** What the programs find out with. */
class Checks {
  static void check(boolean holds, Object otherwise) {
    if (!holds) throw new AssertionError(String.valueOf(otherwise));
  }

  /** What comes next is this, within half a minute. */
  static void expect(BlockingQueue<String> seen, String expected) throws InterruptedException {
    String next = seen.poll(30, TimeUnit.SECONDS);
    check(expected.equals(next), "not " + expected + " but " + next);
  }
}
