package shop;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An error as an application's own handler would send it. */
final class Report {
    /** Of a stack: the innermost frames, and of the rest the application's and what was made at run time. */
    private static final int INNERMOST = 3;
    private static final int FRAMES_MAX = 24;

    static String line(Errors.Case one, String run) throws Exception {
        Throwable thrown = null;
        try {
            one.body().run();
        } catch (Throwable caught) {
            thrown = caught;
        }
        if (thrown == null) {
            throw new IllegalStateException(one.id() + " did not fail");
        }
        Throwable root = root(thrown);
        var event = new LinkedHashMap<String, Object>();
        event.put("category", "Runtime");
        event.put("module", "shop");
        event.put("environment", "prod");
        String place = switch (one.place()) {
            case ROOT_FRAME -> frame(root);
            case FRAME -> frame(thrown);
            case NAMED -> one.where().get();
            case NONE -> null;
        };
        if (place != null) {
            event.put("location", place);
        }
        event.put("detail", String.valueOf(one.detailOfRoot() ? root.getMessage() : thrown.getMessage()));
        if (one.asText()) {
            var text = new StringWriter();
            thrown.printStackTrace(new PrintWriter(text));
            event.put("stacktrace", text.toString());
        } else {
            event.put("exception", exception(thrown));
        }
        var line = new LinkedHashMap<String, Object>();
        line.put("id", one.id() + "/" + run);
        line.put("event", event);
        return new ObjectMapper().writeValueAsString(line);
    }

    /** Exceptions of coroutines are made without a stack. */
    private static String frame(Throwable thrown) {
        StackTraceElement[] stack = thrown.getStackTrace();
        return stack.length == 0 ? null : stack[0].toString();
    }

    private static Throwable root(Throwable thrown) {
        while (thrown.getCause() != null) {
            thrown = thrown.getCause();
        }
        return thrown;
    }

    private static Map<String, Object> exception(Throwable thrown) {
        var map = new LinkedHashMap<String, Object>();
        map.put("type", thrown.getClass().getName());
        map.put("value", String.valueOf(thrown.getMessage()));
        map.put("frames", frames(thrown.getStackTrace()));
        if (thrown.getCause() != null) {
            map.put("cause", exception(thrown.getCause()));
        }
        return map;
    }

    private static List<Map<String, Object>> frames(StackTraceElement[] stack) {
        var frames = new ArrayList<Map<String, Object>>();
        for (int i = 0; i < stack.length && frames.size() < FRAMES_MAX; i++) {
            String name = stack[i].getClassName();
            boolean telling = name.startsWith("shop.") || name.startsWith("Script") || name.contains("$Proxy")
                    || name.contains("Accessor") || name.contains("LambdaForm") || name.contains("$$");
            if (i >= INNERMOST && !telling) {
                continue;
            }
            var frame = new LinkedHashMap<String, Object>();
            frame.put("module", name);
            frame.put("function", stack[i].getMethodName());
            if (stack[i].getFileName() != null) {
                frame.put("file", stack[i].getFileName());
            }
            if (stack[i].getLineNumber() > 0) {
                frame.put("line", stack[i].getLineNumber());
            }
            frames.add(frame);
        }
        return frames;
    }
}
