import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs Kafka's shell tools one after the other in one JVM, since starting a JVM takes longer than what most of them do. A
 * line on stdin is a class and its arguments, parted by tabs; a line on stdout is the exit code and what the tool printed
 * on stdout and stderr, in base64.
 */
public class Tools {
    static volatile OutputStream out = OutputStream.nullOutputStream();
    static volatile OutputStream err = OutputStream.nullOutputStream();

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        // Scala takes hold of both when it is first used, so they are exchanged once and for all.
        System.setOut(new PrintStream(new Current(true), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new Current(false), true, StandardCharsets.UTF_8));
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = asked.readLine(); line != null; line = asked.readLine()) {
            String[] words = line.split("\t", -1);
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            ByteArrayOutputStream complained = new ByteArrayOutputStream();
            out = printed;
            err = complained;
            int code = run(words[0], Arrays.copyOfRange(words, 1, words.length));
            out = OutputStream.nullOutputStream();
            err = OutputStream.nullOutputStream();
            Base64.Encoder base64 = Base64.getEncoder();
            answers.println(code + " " + base64.encodeToString(printed.toByteArray()) + " "
                + base64.encodeToString(complained.toByteArray()));
            answers.flush();
        }
    }

    /** What main ends with: the first exit code that it asks for, 0 if it returns, 1 if it throws; 124 after a minute. */
    static int run(String tool, String[] words) throws Exception {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        org.apache.kafka.common.utils.Exit.Procedure exit = (code, message) -> {
            ended.complete(code);
            // A real exit never returns, so that nothing after it may run.
            while (true) {
                try {
                    Thread.sleep(Long.MAX_VALUE);
                } catch (InterruptedException again) {
                    continue;
                }
            }
        };
        org.apache.kafka.common.utils.Exit.setExitProcedure(exit);
        org.apache.kafka.common.utils.Exit.setHaltProcedure(exit);
        Thread thread = new Thread(() -> {
            try {
                Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) words);
                ended.complete(0);
            } catch (Throwable thrown) {
                Throwable cause = thrown.getCause() == null ? thrown : thrown.getCause();
                System.err.print("Exception in thread \"main\" ");
                cause.printStackTrace();
                ended.complete(1);
            }
        });
        thread.setDaemon(true);
        thread.start();
        try {
            return ended.get(60, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            return 124;
        }
    }

    /** Writes to whichever buffer the tool that runs has. */
    static class Current extends OutputStream {
        final boolean isOut;

        Current(boolean isOut) {
            this.isOut = isOut;
        }

        @Override
        public void write(int b) throws java.io.IOException {
            (isOut ? out : err).write(b);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws java.io.IOException {
            (isOut ? out : err).write(bytes, from, count);
        }
    }
}
